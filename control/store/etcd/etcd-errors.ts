/** What etcd's failures mean: whether a request may have had an effect, and what the store's users are told. */
import { type ServiceError, status } from '@grpc/grpc-js';
import { LeaseNotFoundError, StoreError } from '../errors.ts';

/** What is known of a request that failed. */
export type Outcome =
  /** It had no effect, and another attempt may succeed. */
  | 'not-done'
  /** It may have had an effect, or may still have. */
  | 'unknown'
  /** etcd has refused it; another attempt would be refused, too. */
  | 'refused';

/** grpc-js refuses a call so while it has no connection: nothing was sent. */
const notSent = /^(\w+: )?No connection established|^Name resolution failed|^Failed to connect/;
/** etcd's words for a request that it has not handed to its log (`v3rpc/rpctypes`, raft `ErrProposalDropped`). */
const notProposed = /no leader|too many requests|raft proposal dropped/;

/** Of a failed call. */
export function outcomeOf({ code, details }: Pick<ServiceError, 'code' | 'details'>): Outcome {
  if (notProposed.test(details)) return 'not-done';
  switch (code) {
    case status.UNAVAILABLE:
      return notSent.test(details) ? 'not-done' : 'unknown';
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
    case status.INTERNAL:
    case status.UNKNOWN:
    case status.ABORTED:
      return 'unknown';
    default:
      return 'refused';
  }
}

/** The revision that was asked for has been compacted. */
export const isCompacted = (error: unknown): boolean => detailsOf(error)?.includes('revision has been compacted') === true;

/** The revision that was asked for is still to come. */
export const isFuture = (error: unknown): boolean => detailsOf(error)?.includes('is a future revision') === true;

/** There is no such lease. */
export const isUnknownLease = (error: unknown): boolean => detailsOf(error)?.includes('requested lease not found') === true;

/** A lease with this id is there already. */
export const isLeaseTaken = (error: unknown): boolean => detailsOf(error)?.includes('lease already exists') === true;

/** The failure of a call; undefined for any other error. */
export function serviceErrorOf(error: unknown): ServiceError | undefined {
  return error instanceof Error && 'code' in error && 'details' in error && typeof error.details === 'string'
    ? (error as ServiceError)
    : undefined;
}

const detailsOf = (error: unknown): string | undefined => serviceErrorOf(error)?.details;

/**
 * A failure in the store's words.
 * @param where the endpoints, for the text @param lease what a request with a lease had
 */
export function toStoreError(error: ServiceError, where: string, lease = 0): Error {
  const { code, details } = error;
  if (isUnknownLease(error)) return new LeaseNotFoundError(lease);
  if (details.includes('database space exceeded')) return new StoreError('full', `${where}: ${details}`, { cause: error });
  if (code === status.PERMISSION_DENIED || code === status.UNAUTHENTICATED)
    return new StoreError('io', `${where} refuses us: ${details}`, { cause: error });
  if (outcomeOf(error) === 'refused') return new Error(details, { cause: error });
  return new StoreError('unavailable', `${where} cannot be reached: ${plain(details)}`, { cause: error });
}

/** What grpc-js says, without its own framing. */
function plain(details: string): string {
  return /Last error: (?:Error: )?(.*?)\.?(?: Resolution note:.*)?$/s.exec(details)?.[1] ?? details;
}
