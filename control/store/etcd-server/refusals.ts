/** Failures as etcd tells them, by gRPC code and text; and what of a request is not understood. */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { errorText } from '#api/error-text.ts';
import { LeaseNotFoundError, StoreError } from '../errors.ts';
import { CompactedError, FutureRevisionError } from '../store.ts';

/** An error for the client. */
export function refusal(code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

/** etcd's `v3rpc/rpctypes` of the store's failures. */
export function toRefusal(error: unknown): ServiceError {
  if (error instanceof Error && 'code' in error && 'details' in error) return error as ServiceError;
  if (error instanceof CompactedError)
    return refusal(status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted');
  if (error instanceof FutureRevisionError)
    return refusal(status.OUT_OF_RANGE, 'etcdserver: mvcc: required revision is a future revision');
  if (error instanceof LeaseNotFoundError) return refusal(status.NOT_FOUND, 'etcdserver: requested lease not found');
  if (error instanceof StoreError && error.code === 'full')
    return refusal(status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded');
  if (error instanceof StoreError) return refusal(status.UNAVAILABLE, `etcdserver: ${error.message}`);
  return refusal(status.UNKNOWN, errorText(error));
}

/** A key as text. @throws ServiceError for one that is no UTF-8, which our store cannot have */
export function keyText(key: Buffer): string {
  const text = key.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(key)) return text;
  throw refusal(status.INVALID_ARGUMENT, 'etcdserver: this store has keys of UTF-8 only');
}

/** @throws ServiceError for an empty key */
export function checkKey(key: Buffer): void {
  if (key.length === 0) throw refusal(status.INVALID_ARGUMENT, 'etcdserver: key is not provided');
}
