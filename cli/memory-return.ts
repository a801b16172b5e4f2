/**
 * Gives memory back to the machine when a load is over.
 *
 * Two things keep it: V8 collects late when nothing is allocated any more, and glibc returns only the end of its heap, so that a few
 * small blocks in use keep hundreds of freed MiB between them (Buffers, TLS and HTTP/2 come from there). So this collects, step by step
 * between other work, and then calls malloc_trim(3), which returns the pages in between, too. Both when the process has grown, and
 * again for the two minutes in which caches and windows let go of what they hold.
 *
 *   settled (floor) ──grown──▶ due ──idle, or a minute has passed──▶ collect, trim ──▶ due (some more times) ──▶ settled (new floor)
 *
 * Nothing else is set: no environment and no flag, so it is the same however the program is started.
 */
import vm from 'node:vm';
import type { Logger } from 'pino';
import { type Clock, sleep } from '#client/clock.ts';

export interface MemoryReturnDeps {
  clock: Clock;
  /** Of this process, in bytes. */
  residentBytes(): number;
  /** The share of the time since the last call in which the event loop was at work: 0 to 1. */
  utilization(): number;
  /** Takes away garbage, without holding the loop for long. */
  collect(): Promise<void>;
  /** Returns freed pages; takes some 0.3 ms a MiB. */
  trim(): void;
}

const lookEveryMs = 10_000;
const settleMs = 1_000;
/** Less is not worth the work. */
const growthBytes = 16 << 20;
const idleUtilization = 0.1;
/** Looks at a busy process before it is done all the same. */
const maxPutOff = 6;
/** With the 10 s of a collection: until two minutes later, when the watch caches' windows (75 s) have been emptied. */
const passes = 6;

/** Runs until `signal` aborts. */
export async function returnMemory(deps: MemoryReturnDeps, signal: AbortSignal): Promise<void> {
  let floorBytes = Number.POSITIVE_INFINITY;
  let passesLeft = 0;
  let putOff = 0;
  while (!signal.aborted) {
    await sleep(deps.clock, lookEveryMs, signal);
    if (signal.aborted) return;
    const isIdle = deps.utilization() < idleUtilization;
    const nowBytes = deps.residentBytes();
    // What starting has left is as much as any load's.
    if (floorBytes === Number.POSITIVE_INFINITY || nowBytes > floorBytes + growthBytes) passesLeft = passes;
    if (passesLeft === 0) continue;
    if (!isIdle && ++putOff < maxPutOff) continue;
    putOff = 0;
    passesLeft--;
    await deps.collect();
    // V8 frees what it has collected in threads of its own.
    await sleep(deps.clock, settleMs, signal);
    deps.trim();
    floorBytes = deps.residentBytes();
  }
}

/** Those of this process. Where the C library has no malloc_trim, the log says so, and only garbage is collected. */
export async function processMemory(clock: Clock, log: Logger): Promise<MemoryReturnDeps> {
  let last = performance.eventLoopUtilization();
  const trim = await loadTrim(log);
  return {
    clock,
    residentBytes: () => process.memoryUsage.rss(),
    utilization() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    },
    async collect() {
      // V8 measures while it marks, in small steps, within 10 s: the one collection that can be asked for without stopping everything.
      await vm.measureMemory({ mode: 'summary', execution: 'default' });
    },
    trim,
  };
}

/** malloc_trim(3) by Node's own foreign function interface, which is there in the Node that package.json pins. */
async function loadTrim(log: Logger): Promise<() => void> {
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen('libc.so.6', { malloc_trim: { arguments: ['uint64'], return: 'int32' } });
    return () => void functions.malloc_trim(0n);
  } catch (error) {
    log.warn({ err: error }, 'memory that is free within the process stays with it: malloc_trim cannot be called');
    return () => {};
  }
}
