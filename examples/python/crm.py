"""crm.py ADDRESS: a CRM that keeps two customers in one server, each in a namespace of its own, and asks who can introduce whom."""

import sys
import uuid

import grpc
from kith_client import Kith, reason_of
from kith.v1 import (
    data_service_pb2,
    introduction_service_pb2,
    namespace_service_pb2,
    query_pb2,
    types_pb2,
)


def create(kith, name):
    """A customer signs up; one that is there already stays as it is."""
    try:
        kith.call(kith.namespaces.CreateNamespace, namespace_service_pb2.CreateNamespaceRequest(name=name))
    except grpc.RpcError as error:
        if reason_of(error) != "ALREADY_EXISTS":
            raise


def sync(customer, contacts, edges):
    """What the CRM knows of a customer's contacts. It can be sent again: what is there already changes nothing.

    A put is of a member whole, its privacy too. A product whose members set that in kith (who sees their edges, a restriction, an objection)
    sends `UpdateMember` with a mask of what it means to change, or an import, which leaves what a record lacks.
    """
    changes = [
        data_service_pb2.Change(put_member=types_pb2.Member(id=contact, labels={"role": role, "city": city}))
        for contact, role, city in contacts
    ]
    for one, kind, other in edges:
        put = data_service_pb2.PutEdgeChange(edge=types_pb2.Edge(from_id=one, kind=kind, to_id=other))
        changes.append(data_service_pb2.Change(put_edge=put))
    customer.write(customer.data.Write, data_service_pb2.WriteRequest(changes=changes, request_id=str(uuid.uuid4())))


def whom_to_meet(customer, member, **labels):
    """Whom a member should meet among those who have all of these labels, and who can introduce them."""
    label = lambda key, value: query_pb2.LabelCondition(key=key, values=[value])
    clauses = [
        query_pb2.MemberClause(any_of=[query_pb2.MemberCondition(label=label(key, value))]) for key, value in labels.items()
    ]
    asked = introduction_service_pb2.SuggestIntroductionsRequest(
        member_id=member, member_filter=query_pb2.MemberFilter(all_of=clauses)
    )
    answer = customer.query(customer.introductions.SuggestIntroductions, asked)
    return [(found.member_id, [by.member_id for by in found.introducers]) for found in answer.suggestions]


def main(address):
    kith = Kith(address)
    for name in ["acme", "beta"]:
        create(kith, name)
    acme, beta = kith.within("acme"), kith.within("beta")

    # The customers' own ids may be the same: nothing of one is in an answer of the other.
    sync(
        acme,
        [("officer", "privacy officer", "Dulles"), ("cousin", "neighbor", "Zürich"), ("jeremy", "product manager", "Zürich")],
        [("officer", "friend", "cousin"), ("cousin", "friend", "jeremy")],
    )
    sync(
        beta,
        [("officer", "buyer", "Ulm"), ("wife", "founder", "Ulm"), ("jeremy", "product manager", "Ulm")],
        [("officer", "friend", "wife"), ("wife", "friend", "jeremy")],
    )
    in_acme = whom_to_meet(acme, "officer", role="product manager", city="Zürich")
    assert in_acme == [("jeremy", ["cousin"])], in_acme
    print(f"acme: the product manager in Zürich to meet is {in_acme[0][0]}, whom {in_acme[0][1][0]} can introduce")
    in_beta = whom_to_meet(beta, "officer", role="product manager")
    assert in_beta == [("jeremy", ["wife"])], in_beta
    assert whom_to_meet(beta, "officer", city="Zürich") == []
    print(f"beta: it is {in_beta[0][1][0]} who can introduce {in_beta[0][0]}, and nobody is in Zürich")

    # A customer leaves: all that it had goes, and whoever asks hears that there is no such namespace.
    kith.call(kith.namespaces.DeleteNamespace, namespace_service_pb2.DeleteNamespaceRequest(name="beta"))
    try:
        whom_to_meet(beta, "officer")
        sys.exit("a customer that has left is answered")
    except grpc.RpcError as error:
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        print("beta has left, and nothing of it is there")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
