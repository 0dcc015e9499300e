//! Who blocks whom.

use super::State;
use super::apply::{ApplyContext, missing};
use super::digest::{Digest, Hashed};
use crate::domain::limits::BLOCKS_PER_MEMBER_MAX;
use crate::domain::{Block, ChangeError, Error, Event, Inspector, MemberId, Part, Reason, Resource};
use crate::engine::outcome::{Applied, Effect};
use crate::graph::MemberIx;

impl State {
    pub(super) fn block_member(
        &mut self,
        context: &mut ApplyContext<'_>,
        block: &Block,
    ) -> Result<Applied, ChangeError> {
        self.require_member(&block.by, Part::BlockingId)?;
        self.require_member(&block.of, Part::BlockedId)?;
        let Some((by, of)) = self.locate_block(block) else { return missing(Resource::Block, name(block), false) };
        if self.graph.blocks(by, of) {
            return Ok(Applied::of(Effect::Unchanged));
        }
        if self.graph.members_blocked_by(by).count() >= BLOCKS_PER_MEMBER_MAX {
            let message = format!("the member blocks {BLOCKS_PER_MEMBER_MAX} others already");
            return Err(ChangeError::precondition(Part::BlockingId, Reason::TooMany, message));
        }
        self.graph.block(by, of);
        self.blocks.add(block.content_hash());
        context.emit(|| Event::BlockPut { block: block.clone() });
        Ok(Applied::of(Effect::Created))
    }

    pub(super) fn unblock_member(
        &mut self,
        context: &mut ApplyContext<'_>,
        block: &Block,
        allow_missing: bool,
    ) -> Result<Applied, ChangeError> {
        match self.locate_block(block) {
            Some((by, of)) if self.graph.unblock(by, of) => {
                self.blocks.remove(block.content_hash());
                context.emit(|| Event::BlockDeleted { block: block.clone() });
                Ok(Applied::of(Effect::Deleted))
            }
            _ => missing(Resource::Block, name(block), allow_missing),
        }
    }

    fn locate_block(&self, block: &Block) -> Option<(MemberIx, MemberIx)> {
        Some((self.graph.find(block.by.as_str())?, self.graph.find(block.of.as_str())?))
    }

    /// Takes back every block by a member and of it.
    pub(super) fn remove_blocks_of(&mut self, member: MemberIx) {
        let by = self.graph.members_blocked_by(member).map(|of| (member, of));
        let blocks: Vec<_> = by.chain(self.graph.blockers_of(member).map(|by| (by, member))).collect();
        for (by, of) in blocks {
            self.blocks.remove(self.block(by, of).content_hash());
            self.graph.unblock(by, of);
        }
    }

    fn block(&self, by: MemberIx, of: MemberIx) -> Block {
        Block { by: self.graph.id(by).clone(), of: self.graph.id(of).clone() }
    }

    /// The blocks by a member, by the ids of those it blocks.
    pub fn blocks_by(&self, member: MemberIx) -> Vec<Block> {
        let mut blocks: Vec<Block> = self.graph.members_blocked_by(member).map(|of| self.block(member, of)).collect();
        blocks.sort_unstable();
        blocks
    }

    /// A block that there is.
    pub fn find_block(&self, by: &MemberId, of: &MemberId) -> Option<Block> {
        let block = Block { by: by.clone(), of: of.clone() };
        let (by, of) = self.locate_block(&block)?;
        self.graph.blocks(by, of).then_some(block)
    }

    pub fn block_count(&self) -> u64 {
        self.graph.block_count()
    }

    pub(super) fn verify_blocks(&self, check: &mut dyn Inspector) -> Result<Digest, Error> {
        let mut digest = Digest::default();
        for (by, of) in self.graph.all_blocks() {
            match (self.graph.get_id(by), self.graph.get_id(of)) {
                (Some(by), Some(of)) => digest.add(Block { by: by.clone(), of: of.clone() }.content_hash()),
                _ => check.find("blocks", format!("indices {} and {}", by.0, of.0), "one of the two is not there")?,
            }
        }
        digest.verify("blocks", self.blocks, check)
    }
}

fn name(block: &Block) -> String {
    format!("{}-{}", block.by, block.of)
}
