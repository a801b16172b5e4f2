/**
 * Estimates the seats of a request: for a list by the objects that it reads, for a write by the number of watchers. Pure.
 *
 * Source: apiserver `pkg/util/flowcontrol/request/{width,list_work_estimator,mutating_work_estimator}.go`.
 */
import type { RequestInfo } from '../rest/request-info.ts';
import type { Work } from './queue.ts';

/** The number and size of a resource's objects; undefined if unknown. */
export interface StoredFacts {
  objects: number;
  averageBytes: number;
  watchers: number;
}

const one: Work = { initialSeats: 1, finalSeats: 0, additionalMs: 0 };
const bytesPerSeat = 100_000;
/** A list from the cache is sent in pieces, so only one piece is in memory at a time. */
const maxListBytes = 1_000_000;
const watchersPerSeat = 10;
const maxMutatingSeats = 10;
const eventMs = 5;
const mutating: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete']);

/** @param maxSeats of the level: the maximum for one request @param factsOf called only for requests that need it */
export function estimateWork(info: RequestInfo, maxSeats: number, factsOf: (info: RequestInfo) => StoredFacts | undefined): Work {
  if (!info.isResource) return one;
  if (info.verb === 'list' || (info.verb === 'watch' && readsInitial(info))) {
    const facts = factsOf(info);
    if (facts === undefined) return one;
    const limit = Number(info.query.get('limit') ?? 0);
    const read = info.name !== '' ? 1 : limit > 0 ? Math.min(limit, facts.objects) : facts.objects;
    const seats = Math.ceil(Math.min(read * facts.averageBytes, maxListBytes) / bytesPerSeat);
    return { ...one, initialSeats: Math.max(1, Math.min(seats, maxSeats)) };
  }
  if (!mutating.has(info.verb) || (info.resource === 'serviceaccounts' && info.subresource === 'token')) return one;
  const watchers = factsOf(info)?.watchers ?? 0;
  if (watchers < watchersPerSeat) return { ...one, watchers };
  const wanted = Math.ceil(watchers / watchersPerSeat);
  const finalSeats = Math.max(1, Math.min(wanted, maxMutatingSeats, maxSeats));
  return { initialSeats: 1, finalSeats, additionalMs: (wanted * eventMs) / finalSeats, watchers };
}

/** A watch from a resource version has no initial events. */
function readsInitial({ query }: RequestInfo): boolean {
  const revision = query.get('resourceVersion') ?? '';
  return (
    revision === '' || revision === '0' || query.get('sendInitialEvents') === 'true' || query.get('sendInitialEvents') === '1'
  );
}
