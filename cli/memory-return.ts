/**
 * Returns memory to the machine after a load.
 *
 * Two things keep memory: V8 collects garbage late when nothing is allocated any more, and glibc returns only the end of its
 * heap, so that a few small blocks in use keep hundreds of freed MiB between them (Buffers, TLS and HTTP/2 use that heap). So
 * this module collects garbage, in small steps between other work, and then calls malloc_trim(3), which also returns the pages in
 * between. It does both when the process has grown, and again during the next two minutes, in which caches and windows release
 * memory.
 *
 * settled (floor) ──grown──▶ due ──idle, or a minute has passed──▶ collect, trim ──▶ due (some more times) ──▶ settled (new
 * floor)
 *
 * No environment variable and no flag is needed, so it works the same however the program is started.
 */
import vm from 'node:vm';
import type { Logger } from 'pino';
import { type Clock, sleep } from '#client/clock.ts';

/** The process whose memory is returned. */
export interface MemoryReturnDeps {
  clock: Clock;
  /** Resident memory of the process, in bytes. */
  residentBytes(): number;
  /** The fraction of time since the last call in which the event loop was busy: 0 to 1. */
  utilization(): number;
  /** Collects garbage without blocking the event loop for long. */
  collect(): Promise<void>;
  /** Returns freed pages to the machine. Takes about 0.3 ms per MiB. */
  trim(): void;
}

const lookEveryMs = 10_000;
const settleMs = 1_000;
/** Memory is returned only after the process has grown by at least this many bytes. */
const growthBytes = 16 << 20;
const idleUtilization = 0.1;
/** How often a busy process is skipped before memory is returned all the same. */
const maxSkips = 6;
/**
 * Number of passes. With 10 s per collection, the last one is two minutes after the load, when the watch caches' windows (75 s)
 * are empty.
 */
const passes = 6;

/** Watches the process and returns memory until `signal` aborts. */
export async function returnMemory(deps: MemoryReturnDeps, signal: AbortSignal): Promise<void> {
  let floorBytes = Number.POSITIVE_INFINITY;
  let passesLeft = 0;
  let skips = 0;
  while (!signal.aborted) {
    await sleep(deps.clock, lookEveryMs, signal);
    if (signal.aborted) return;
    const isIdle = deps.utilization() < idleUtilization;
    const nowBytes = deps.residentBytes();
    // The start of the process leaves as much garbage as a load.
    if (floorBytes === Number.POSITIVE_INFINITY || nowBytes > floorBytes + growthBytes) passesLeft = passes;
    if (passesLeft === 0) continue;
    if (!isIdle && ++skips < maxSkips) continue;
    skips = 0;
    passesLeft--;
    await deps.collect();
    // V8 frees collected memory in other threads.
    await sleep(deps.clock, settleMs, signal);
    deps.trim();
    floorBytes = deps.residentBytes();
  }
}

/** The memory of this process. When the C library has no malloc_trim, a warning is logged, and only garbage is collected. */
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
      // V8 measures while it marks, in small steps, within 10 s. It is the only garbage collection that a program can request
      // without stopping the event loop.
      await vm.measureMemory({ mode: 'summary', execution: 'default' });
    },
    trim,
  };
}

/** Loads malloc_trim(3) with Node's foreign function interface, which the Node version in package.json has. */
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
