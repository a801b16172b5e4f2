/**
 * A host without chance: from {@link installHost} on, this thread knows no time but the simulation's and no random number that the seed
 * has not given. Parts of the control plane get clock and random as parameters; what asks the host itself (request deadlines, UIDs, turns of
 * the event loop) is answered from here, so that nothing real can decide in what order things happen.
 *
 * It replaces globals, for the whole thread and for good: only the simulation's own threads call it, before they load anything that is
 * simulated. Turns of the event loop stay Node's own, which come in the order they were asked for; they are counted, so that the
 * simulation knows when nothing more follows.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { createRandom, type Random } from './random.ts';
import { VirtualTime } from './virtual-time.ts';

/** When every world begins. */
export const startMs = Date.UTC(2026, 0, 1);
/** A step that needs more turns than this goes round in a circle. */
const maxTurns = 20_000;

/** The host of the simulated parts. */
export interface Host {
  readonly time: VirtualTime;
  /** A new world: time is 0 again, and chance begins with this seed. Timers of the world before never fire. */
  begin(seed: string): void;
  /** Resolves when all promises and turns of the event loop that are under way have come to rest. @throws Error when they never do */
  settle(): Promise<void>;
}

/** What the host has been replaced by; undefined before {@link installHost}. */
let installed: Host | undefined;

/** Takes the thread's time and chance over. Calls after the first give the same host. */
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

/** Counts the turns of the event loop that are asked for. */
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
  /** Version 4, of which each answer of the API server has one: cheaper than by way of bytes. */
  const randomUUID = (): string => `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`;
  const crypto = load('node:crypto') as Record<string, unknown>;
  Object.assign(crypto, { randomUUID, randomBytes: (size: number) => fill(Buffer.alloc(size)) });
  Object.assign(globalThis.crypto, { randomUUID, getRandomValues: fill });
}
