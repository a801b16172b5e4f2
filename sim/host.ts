/**
 * A deterministic host: after {@link installHost}, all time in this thread is simulated, and all random numbers come from the seed. Parts
 * of the control plane get clock and random as parameters; calls to the host itself (request deadlines, UIDs, turns of the event loop) are
 * served here, so that nothing real influences the order of events.
 *
 * It replaces globals of the whole thread for ever, so only the simulation's own threads call it, before they load the simulated code.
 * Turns of the event loop remain Node's own, which run in the order of the calls; they are counted, so that the simulation knows when all
 * of them are done.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { VirtualTime } from '#client/virtual-time.ts';
import { createRandom, type Random } from './random.ts';

/** Wall clock time at the start of every world. */
export const startMs = Date.UTC(2026, 0, 1);
/** A step with more turns than this is an endless loop. */
const maxTurns = 20_000;

/** The host of the simulated parts. */
export interface Host {
  readonly time: VirtualTime;
  /** Starts a new world: resets time to 0 and seeds the random numbers. Timers of the previous world never fire. */
  begin(seed: string): void;
  /** Resolves when no promise and no turn of the event loop is pending. @throws Error when that never happens */
  settle(): Promise<void>;
}

/** The installed host; undefined before {@link installHost}. */
let installed: Host | undefined;

/** Replaces the thread's time and random numbers. Further calls return the same host. */
export function installHost(): Host {
  installed ??= replaceHost();
  return installed;
}

function replaceHost(): Host {
  const time = new VirtualTime(startMs);
  const turns = replaceTurns();
  let random: Random = createRandom('');
  replaceTimers(time);
  replaceClock(time);
  replaceChance(() => random.next());
  syncBuiltinESMExports();
  return {
    time,
    begin(seed) {
      time.reset(startMs);
      random = createRandom(`${seed}/host`);
    },
    settle: turns.settle,
  };
}

const load = createRequire(import.meta.url);

/** Counts the requested turns of the event loop. */
function replaceTurns(): Pick<Host, 'settle'> {
  const real = globalThis.setImmediate;
  let pending = 0;
  const counted = (callback: (...args: unknown[]) => void, ...args: unknown[]): NodeJS.Immediate => {
    pending += 1;
    return real(() => {
      pending -= 1;
      callback(...args);
    });
  };
  globalThis.setImmediate = counted as typeof setImmediate;
  const promised = load('node:timers/promises') as { setImmediate: unknown };
  promised.setImmediate = <T>(value?: T): Promise<T> => new Promise((resolve) => counted(() => resolve(value as T)));
  return {
    async settle() {
      for (let turn = 0; turn < maxTurns; turn++) {
        await new Promise<void>((resolve) => real(resolve));
        if (pending === 0) return;
      }
      throw new Error(`the event loop has not come to rest within ${maxTurns} turns`);
    },
  };
}

/** `setTimeout` and `setInterval` on the simulation's time. */
function replaceTimers(time: VirtualTime): void {
  class SimulatedTimer {
    cancel: () => void = () => undefined;
    ref(): this {
      return this;
    }
    unref(): this {
      return this;
    }
    hasRef(): boolean {
      return true;
    }
    [Symbol.dispose](): void {
      this.cancel();
    }
  }
  const set = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): SimulatedTimer => {
    const timer = new SimulatedTimer();
    // As Node's: at least a millisecond.
    timer.cancel = time.after(Math.max(1, delayMs), () => callback(...args));
    return timer;
  };
  const repeat = (callback: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]): SimulatedTimer => {
    const timer = new SimulatedTimer();
    const arm = (): void => {
      timer.cancel = time.after(Math.max(1, delayMs), () => {
        arm();
        callback(...args);
      });
    };
    arm();
    return timer;
  };
  const clear = (timer?: unknown): void => {
    if (timer instanceof SimulatedTimer) timer.cancel();
  };
  const promised = load('node:timers/promises') as { setTimeout: unknown };
  promised.setTimeout = <T>(delayMs?: number, value?: T): Promise<T> =>
    new Promise((resolve) => set(() => resolve(value as T), delayMs));
  Object.assign(globalThis, { setTimeout: set, setInterval: repeat, clearTimeout: clear, clearInterval: clear });
  AbortSignal.timeout = (delayMs: number): AbortSignal => {
    const abort = new AbortController();
    set(() => abort.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), delayMs);
    return abort.signal;
  };
}

function replaceClock(time: VirtualTime): void {
  const Real = Date;
  globalThis.Date = new Proxy(Real, {
    construct: (target, args: unknown[], newTarget: NewableFunction) =>
      Reflect.construct(target, args.length === 0 ? [time.now()] : args, newTarget) as Date,
    apply: () => new Real(time.now()).toString(),
    get: (target, name, receiver) => (name === 'now' ? () => time.now() : Reflect.get(target, name, receiver)),
  }) as DateConstructor;
  performance.now = () => time.monotonic();
}

function replaceChance(next: () => number): void {
  Math.random = next;
  const fill = <T extends ArrayBufferView>(view: T): T => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(next() * 256);
    return view;
  };
  const digits = (count: number): string =>
    Math.floor(next() * 16 ** count)
      .toString(16)
      .padStart(count, '0');
  /** A version 4 UUID. Every response of the API server has one, so it is built without a byte array, which is faster. */
  const randomUUID = (): string => `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`;
  const crypto = load('node:crypto') as Record<string, unknown>;
  Object.assign(crypto, { randomUUID, randomBytes: (size: number) => fill(Buffer.alloc(size)) });
  Object.assign(globalThis.crypto, { randomUUID, getRandomValues: fill });
}
