/* Has the wall clock of a process go ahead, by the seconds in KITH_CLOCK_AHEAD_S. Loaded by LD_PRELOAD; see later.rs. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
  int done = syscall(SYS_clock_gettime, clock, time);
  const char *ahead = getenv("KITH_CLOCK_AHEAD_S");
  if (done == 0 && clock == CLOCK_REALTIME && ahead) time->tv_sec += atol(ahead);
  return done;
}
