/*
 * The fencing protocol in whole ticks: one target that may reboot once (boot A, then boot B), two
 * fencers, one disk slot, one API, one write that is queued somewhere and lands when it likes.
 * Explored exhaustively by run.sh; what it asserts is S1: whoever is declared dead is dead.
 *
 * In one tick the target and each fencer act at most once, in any order, and each fault may strike.
 * Closing the watchdog pets it; so does opening it, which only a good pass of that process allows.
 *
 * Not in the model: clocks that differ, suspend, two machines under one name, boot instants (rule b of
 * Rebooted), more than one node. The simulator has those.
 *
 * Defines for mutants: M, ACKWAIT, EARLY_ARM, NO_COMPARE, NO_NODE_BOOT, VOUCH_ALWAYS. Bounds of what is
 * explored: EPOCHS messages, FAULTS faults of the target, CHANGES of request and named fencer.
 */
#define T 1
#ifndef W
#define W 1
#endif
#define LIFE (T + 2 * W)
/* Two ticks of slack: one for acting anywhere within a tick, one for reading anywhere within it. */
#ifndef M
#define M (LIFE + 2)
#endif
#ifndef ACKWAIT
#define ACKWAIT (2 * W + 2)
#endif
#ifndef EPOCHS
#define EPOCHS 2
#endif
#define SATURATED (M + 1)

#define A 1
#define B 2

/* The fence slot: whom it orders dead (0 = cleared or empty), and by which epoch. */
byte slotTo, slotEpoch;
/* Every write of a message has a number of its own: epoch and nonce in one. */
byte serial;
/* One write that its writer has given up, and that may land yet. */
bool queued;
byte queuedTo, queuedEpoch;

/* The API. */
bool open = false;          /* a request with our finalizer */
byte openedAt = 0;          /* the last message written before it */
byte named = 0;             /* which fencer it names */
byte nodeBoot = A;          /* what the kubelet has told */

/* The target. */
byte boot = A;
bool alive = true;
bool agent = true, armed = true, latched = false, marked = false, stopped = false, ticking = true;
byte ttl = T, dog = W;

/* Its heartbeat slot. */
byte beatBoot = A, beatAck = 0;
bool beatArmed = true;

typedef Fencer {
  bool standing;
  byte epoch, to, waited, granted, ackFor;
  bool late;   /* the addressed boot moved later than a condemned one can live */
  bool olderB  /* boot B was there before the message, or the request */
};
Fencer f[2];

#define SILENT(n) (f[n].waited >= M && beatArmed && beatBoot == f[n].to && !f[n].late)
#define ACKNOWLEDGED(n) (f[n].epoch > openedAt && beatArmed && beatBoot == f[n].to && beatAck == f[n].epoch)
#ifdef NO_COMPARE
#define STANDS(n) true
#else
#define STANDS(n) (slotTo == f[n].to && slotEpoch == f[n].epoch)
#endif
#ifdef NO_NODE_BOOT
#define TOLD(n) true
#else
#define TOLD(n) (nodeBoot == f[n].to)
#endif

/* Faults and changes of mind that are left; what is explored is every order of so many. */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef CHANGES
#define CHANGES 2
#endif
byte faults = FAULTS, changes = CHANGES;

bool declared = false;
bool acted[3];

inline up(counter) { if :: counter < SATURATED -> counter++ :: else fi }
inline down(counter) { if :: counter > 0 -> counter-- :: else fi }

inline pet() { dog = W }

inline beat() {
  beatBoot = boot; beatArmed = armed;
  if :: f[0].waited > LIFE -> f[0].late = true :: else fi;
  if :: f[1].waited > LIFE -> f[1].late = true :: else fi
}

inline goodPass() {
  beat(); ttl = T;
  if
  :: !armed -> armed = true; ticking = true; pet()
  :: else
  fi
}

inline obey() {
  latched = true; marked = true;
  if
  :: beat(); beatAck = slotEpoch
  :: skip /* the acknowledgement is not written */
  fi
}

/* The storage answers in this tick or not; a stopped or dead agent does nothing. */
inline targetActs() {
  if
  :: agent && !stopped && !latched ->
     if
     :: slotTo == boot -> obey()
     :: slotTo != boot -> goodPass()
     :: skip /* no storage */
#ifdef VOUCH_ALWAYS
     :: ttl = T
#else
     :: !open -> ttl = T /* the API vouches: no request is open */
#endif
#ifdef EARLY_ARM
     :: !armed -> armed = true; ticking = true; pet()
#endif
     fi;
     if
     :: armed && !latched && ttl > 0 -> pet()
     :: else
     fi
  :: else
  fi
}

inline die() {
  alive = false; agent = false; armed = false; latched = false; marked = false; stopped = false;
  ticking = false; ttl = 0; dog = 0
}

inline faultsStrike() {
  if
  :: agent && faults > 0 ->
     faults--;
     /* Only who holds the watchdog closes it, and that pets. */
     if :: armed -> pet() :: else fi;
     agent = false; stopped = false; armed = false; latched = false; ttl = 0
  :: !agent -> agent = true;
     latched = marked
  :: agent && !stopped && faults > 0 -> faults--; stopped = true
  :: boot == A && alive && faults > 0 -> faults--; die()
  :: skip
  fi
}

/* Boot B holds pods once its kubelet has told the API of it; under the taint it holds none. */
inline reboot() {
  if
  :: !alive && boot == A -> boot = B; alive = true
  :: alive && boot == B && nodeBoot == A -> nodeBoot = B
  :: alive && boot == B && !agent -> agent = true; latched = marked
  :: skip
  fi
}

/* From here on a fencer counts. */
inline since(n) {
  f[n].waited = 0; f[n].ackFor = 0; f[n].late = false; f[n].olderB = (boot == B)
}

inline apiChanges() {
  if
  :: !open && changes > 0 ->
     changes--;
     /* Another request: nothing that was waited or said before its finalizer counts for it. */
     open = true; openedAt = serial;
     since(0); since(1)
  :: open && changes > 0 -> changes--; open = false
  :: changes > 0 -> changes--; named = 1 - named
  :: skip
  fi
}

inline queuedLands() {
  if
  :: queued -> slotTo = queuedTo; slotEpoch = queuedEpoch; queued = false
  :: skip
  fi
}

inline write(to, epoch) {
  if
  :: slotTo = to; slotEpoch = epoch; written = true
  :: !queued -> queued = true; queuedTo = to; queuedEpoch = epoch; written = false
  :: written = false /* lost, and read back as such */
  fi
}

/* Everybody who declares believes what is asserted here. */
inline declare(n) {
  declared = true;
  assert(!(alive && boot == f[n].to));
  assert(!(alive && boot == B && f[n].to == A && f[n].olderB && nodeBoot == B))
}

inline forget(n) {
  f[n].standing = false; f[n].waited = 0; f[n].ackFor = 0; f[n].to = 0; f[n].epoch = 0;
  f[n].late = false; f[n].olderB = false
}

/* The API may answer or not; then at most one thing is done. */
inline fencerActs(n) {
  if
  :: open && named == n -> f[n].granted = T
  :: !(open && named == n) && f[n].granted == 0 && f[n].standing -> forget(n)
  :: skip
  fi;
  if
  :: f[n].granted > 0 && !f[n].standing && serial < EPOCHS ->
     serial++;
     write(beatBoot, serial);
     if
     :: written ->
        f[n].standing = true; f[n].epoch = slotEpoch; f[n].to = slotTo; since(n)
     :: else
     fi
  :: f[n].standing && !STANDS(n) -> forget(n)
  :: f[n].standing && f[n].ackFor == 0 && ACKNOWLEDGED(n) -> f[n].ackFor = 1
  :: f[n].standing && f[n].granted > 0 && f[n].ackFor > ACKWAIT -> declare(n)
  :: f[n].standing && f[n].granted > 0 && SILENT(n) && STANDS(n) && TOLD(n) -> declare(n)
  :: !open && f[n].granted == 0 && slotTo != 0 -> write(0, slotEpoch)
  :: skip
  fi;
  written = false
}

inline tickGoesBy() {
  acted[0] = false; acted[1] = false; acted[2] = false;
  if
  :: ticking && dog == 0 -> die()
  :: ticking && dog > 0 -> dog--
  :: else
  fi;
  down(ttl);
  down(f[0].granted); down(f[1].granted);
  waitOn(0); waitOn(1)
}

inline waitOn(n) {
  if
  :: f[n].standing ->
     up(f[n].waited);
     if :: f[n].ackFor > 0 -> up(f[n].ackFor) :: else fi
  :: else
  fi
}

active proctype World() {
  bool written;
  do
  :: declared -> break
  :: !declared && !acted[2] -> atomic {
       acted[2] = true;
       if :: alive -> targetActs() :: else fi
     }
  :: !declared && !acted[0] -> atomic { acted[0] = true; fencerActs(0) }
  :: !declared && !acted[1] -> atomic { acted[1] = true; fencerActs(1) }
  :: !declared && acted[0] && acted[1] && acted[2] -> atomic {
       tickGoesBy();
       faultsStrike();
       reboot();
       apiChanges();
       queuedLands()
     }
  od
}
