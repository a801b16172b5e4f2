/**
 * Keeps one informer's cache equal to the server: list, then watch from there, for ever.
 *
 *                    listed                     event, bookmark (newer resourceVersion)
 *      ┌─▶ listing ──────────────▶ watching ◀─┐ ended
 *      │      │                     │  │  └───┘
 *      │      │ failed              │  │ failed, ended very soon
 *      │      ▼                     │  ▼
 *      └── waiting{next: list}      │ waiting{next: watch} ──(delay over)──▶ watching
 *      ▲                            │
 *      └────────── expired (410) ───┘
 *
 * Source: client-go `tools/cache/reflector.go`; kube-rs `watcher.rs` for the shape.
 */

import type { Logger } from 'pino';
import type { KubeObject, WatchEvent } from '#api/meta.ts';
import { isExpired } from '#api/status.ts';
import type { ListOptions, ResourceClient } from './client.ts';
import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';

/** The state of the reflector. `failures`: consecutive ones, for the next delay. */
export type ReflectorState =
  | { kind: 'listing'; failures: number }
  /** `justListed`: no watch from the list's version has lived yet, nor brought an event. */
  | { kind: 'watching'; resourceVersion: string; failures: number; justListed: boolean }
  | { kind: 'waiting'; delayMs: number; next: Exclude<ReflectorState, { kind: 'waiting' }> };

/** The outcome. */
export type ReflectorOutcome =
  | { kind: 'listed'; resourceVersion: string }
  | { kind: 'progressed'; resourceVersion: string }
  /** The server closed the watch: its time was over, or it restarts. `veryShort`: within a second, and without an event. */
  | { kind: 'ended'; veryShort: boolean }
  | { kind: 'expired' }
  /** @property lastedMs how long the attempt went well before */
  | { kind: 'failed'; lastedMs: number }
  | { kind: 'waited' };

// client-go's numbers (`defaultBackoff…` in reflector.go).
/** First delay after a failure; doubled with each further one. */
const firstDelayMs = 800;
const maxDelayMs = 30_000;
/** A server that kept a watch open for so long is healthy: the next delay is the first one again. */
const healthyMs = 120_000;
/** A watch that ends sooner, and without an event, counts as a failure (client-go: "very short watch"). */
const veryShortMs = 1000;

/** The next state. Pure. @param random in [0, 1): a delay is stretched by up to as much again, so that many clients come apart */
export function step(state: ReflectorState, outcome: ReflectorOutcome, random: number): ReflectorState {
  if (state.kind === 'waiting') return outcome.kind === 'waited' ? state.next : state;
  switch (outcome.kind) {
    case 'listed':
      // Failures still count: a server whose lists succeed and whose watches do not is asked at growing intervals.
      return { kind: 'watching', resourceVersion: outcome.resourceVersion, failures: state.failures, justListed: true };
    case 'progressed':
      return state.kind === 'watching'
        ? { ...state, resourceVersion: outcome.resourceVersion, failures: 0, justListed: false }
        : state;
    case 'expired': {
      // At once, as after every restart of a server that keeps its recent changes in memory; but never list and watch in a tight circle.
      const listing = { kind: 'listing', failures: state.failures } as const;
      return state.kind === 'watching' && !state.justListed ? listing : wait(listing, random);
    }
    case 'ended':
      return outcome.veryShort ? wait(state, random) : after(state, veryShortMs, 0);
    case 'failed':
      return wait(after(state, outcome.lastedMs, outcome.lastedMs < healthyMs ? state.failures : 0), random);
    case 'waited':
      return state;
  }
}

type Attempting = Exclude<ReflectorState, { kind: 'waiting' }>;

/** The state to go on from after an attempt of that length. */
function after(state: Attempting, lastedMs: number, failures: number): Attempting {
  return state.kind === 'listing'
    ? { ...state, failures }
    : { ...state, failures, justListed: state.justListed && lastedMs < veryShortMs };
}

function wait(state: Attempting, random: number): ReflectorState {
  const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(state.failures, 20)) * (1 + random);
  return { kind: 'waiting', delayMs, next: { ...state, failures: state.failures + 1 } };
}

/** The cache that is kept equal to the server. */
export interface ReflectorTarget<T extends KubeObject> {
  replace(objects: T[]): void;
  apply(event: Exclude<WatchEvent<T>, { type: 'BOOKMARK' }>): void;
}

/** The dependencies of a reflector. */
export interface ReflectorDeps<T extends KubeObject> {
  resource: string;
  client: ResourceClient<T>;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  selection: Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>;
}

/** Runs until `signal` aborts; errors of the server are logged and tried again. */
export async function runReflector<T extends KubeObject>(
  deps: ReflectorDeps<T>,
  target: ReflectorTarget<T>,
  signal: AbortSignal,
): Promise<void> {
  let state = { kind: 'listing', failures: 0 } as ReflectorState;
  const advance = (outcome: ReflectorOutcome): void => {
    state = step(state, outcome, deps.random());
  };
  while (!signal.aborted) {
    switch (state.kind) {
      case 'waiting':
        await sleep(deps.clock, state.delayMs, signal);
        advance({ kind: 'waited' });
        break;
      case 'listing':
        advance(await attempt(deps, 'list', signal, () => list(deps, target, signal)));
        break;
      case 'watching': {
        const { resourceVersion } = state;
        advance(await attempt(deps, 'watch', signal, () => watch(deps, target, resourceVersion, advance, signal)));
        break;
      }
    }
  }
}

async function list<T extends KubeObject>(
  deps: ReflectorDeps<T>,
  target: ReflectorTarget<T>,
  signal: AbortSignal,
): Promise<ReflectorOutcome> {
  const { items, metadata } = await deps.client.list({ ...deps.selection, shared: true }, signal);
  target.replace(items);
  return { kind: 'listed', resourceVersion: metadata.resourceVersion ?? '' };
}

async function watch<T extends KubeObject>(
  deps: ReflectorDeps<T>,
  target: ReflectorTarget<T>,
  resourceVersion: string,
  advance: (outcome: ReflectorOutcome) => void,
  signal: AbortSignal,
): Promise<ReflectorOutcome> {
  // Between 5 and 10 minutes, as client-go: watches move to other servers, and not all at once.
  const timeoutSeconds = Math.floor(300 * (1 + deps.random()));
  const events = deps.client.watch(
    { ...deps.selection, resourceVersion, allowWatchBookmarks: true, timeoutSeconds, shared: true },
    signal,
  );
  const startedMs = deps.clock.monotonic();
  let veryShort = true;
  for await (const event of events) {
    veryShort = false;
    if (event.type !== 'BOOKMARK') target.apply(event);
    // An event without a resourceVersion keeps the last known one.
    const { resourceVersion: seen } = event.object.metadata ?? {};
    if (typeof seen === 'string') advance({ kind: 'progressed', resourceVersion: seen });
  }
  return { kind: 'ended', veryShort: veryShort && deps.clock.monotonic() - startedMs < veryShortMs };
}

async function attempt<T extends KubeObject>(
  { resource, clock, log }: ReflectorDeps<T>,
  verb: 'list' | 'watch',
  signal: AbortSignal,
  action: () => Promise<ReflectorOutcome>,
): Promise<ReflectorOutcome> {
  const startedMs = clock.monotonic();
  try {
    return await action();
  } catch (error) {
    if (signal.aborted) return { kind: 'ended', veryShort: false };
    if (isExpired(error)) {
      log.info({ resource, verb }, 'the resourceVersion is gone; listing again');
      return { kind: 'expired' };
    }
    log.warn({ resource, verb, err: error }, `${verb} of ${resource} failed; trying again`);
    return { kind: 'failed', lastedMs: clock.monotonic() - startedMs };
  }
}
