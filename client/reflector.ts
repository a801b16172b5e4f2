/**
 * Keeps one informer's cache equal to the server: list, then watch from there, for ever.
 *
 *                    listed                     event, bookmark (newer resourceVersion)
 *      ┌─▶ listing ──────────────▶ watching ◀─┐
 *      │      │                     │  │  └───┘
 *      │      │ failed              │  │ ended, failed
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

export type ReflectorState =
  | { kind: 'listing'; failures: number }
  | { kind: 'watching'; resourceVersion: string; failures: number }
  | { kind: 'waiting'; delayMs: number; next: Exclude<ReflectorState, { kind: 'waiting' }> };

export type ReflectorOutcome =
  | { kind: 'listed'; resourceVersion: string }
  | { kind: 'progressed'; resourceVersion: string }
  /** The server closed the watch: its time was over, or it restarts. */
  | { kind: 'ended' }
  | { kind: 'expired' }
  | { kind: 'failed' }
  | { kind: 'waited' };

/** First delay after a failure; doubled with each further one. */
const firstDelayMs = 100;
/** A restarted API server is found again within this time. (client-go: 30 s; a classroom waits less patiently.) */
const maxDelayMs = 10_000;

/** The next state. Pure. @param random in [0, 1), spreads the retries of many clients */
export function step(state: ReflectorState, outcome: ReflectorOutcome, random: number): ReflectorState {
  if (state.kind === 'waiting') return outcome.kind === 'waited' ? state.next : state;
  switch (outcome.kind) {
    case 'listed':
      return { kind: 'watching', resourceVersion: outcome.resourceVersion, failures: 0 };
    case 'progressed':
      return state.kind === 'watching' ? { ...state, resourceVersion: outcome.resourceVersion, failures: 0 } : state;
    case 'expired':
      // At once the first time; with a delay when the list, too, is told to be expired.
      return state.kind === 'watching'
        ? { kind: 'listing', failures: state.failures }
        : wait({ kind: 'listing', failures: state.failures }, random);
    case 'ended':
    case 'failed':
      return wait(state, random);
    case 'waited':
      return state;
  }
}

function wait(state: Exclude<ReflectorState, { kind: 'waiting' }>, random: number): ReflectorState {
  const delayMs = Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(state.failures, 20)) * (0.5 + random / 2);
  return { kind: 'waiting', delayMs, next: { ...state, failures: state.failures + 1 } };
}

export interface ReflectorTarget<T extends KubeObject> {
  replace(objects: T[]): void;
  apply(event: Exclude<WatchEvent<T>, { type: 'BOOKMARK' }>): void;
}

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
        advance(await attempt(deps, 'list', signal, () => list(deps, target)));
        break;
      case 'watching': {
        const { resourceVersion } = state;
        advance(await attempt(deps, 'watch', signal, () => watch(deps, target, resourceVersion, advance, signal)));
        break;
      }
    }
  }
}

async function list<T extends KubeObject>(deps: ReflectorDeps<T>, target: ReflectorTarget<T>): Promise<ReflectorOutcome> {
  const { items, metadata } = await deps.client.list(deps.selection);
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
  const events = deps.client.watch({ ...deps.selection, resourceVersion, allowWatchBookmarks: true, timeoutSeconds }, signal);
  for await (const event of events) {
    if (event.type !== 'BOOKMARK') target.apply(event);
    // Of an object that tells none, the last one known stays good.
    const { resourceVersion: seen } = event.object.metadata ?? {};
    if (typeof seen === 'string') advance({ kind: 'progressed', resourceVersion: seen });
  }
  return { kind: 'ended' };
}

async function attempt<T extends KubeObject>(
  { resource, log }: ReflectorDeps<T>,
  verb: 'list' | 'watch',
  signal: AbortSignal,
  action: () => Promise<ReflectorOutcome>,
): Promise<ReflectorOutcome> {
  try {
    return await action();
  } catch (error) {
    if (signal.aborted) return { kind: 'ended' };
    if (isExpired(error)) {
      log.info({ resource, verb }, 'the resourceVersion is gone; listing again');
      return { kind: 'expired' };
    }
    log.warn({ resource, verb, err: error }, `${verb} of ${resource} failed; trying again`);
    return { kind: 'failed' };
  }
}
