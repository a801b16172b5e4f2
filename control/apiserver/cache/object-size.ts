/**
 * How large an object is. The size decides whether it can be stored, whether its managedFields are recorded, and whether other requests are
 * served between the steps of its write.
 *
 * Source: etcd's `--max-request-bytes` (1.5 MiB), which upstream's store refuses beyond; apiserver `pkg/endpoints/handlers/create.go`.
 */
import { failure } from '#api/status.ts';

/** Upstream stores protobuf, 1.5 MiB at most; the same object is up to twice as long in JSON. */
const maxStoredBytes = 3 * 1024 * 1024;
/** From this size on other requests are served between the steps of a write. */
const largeBytes = 128 * 1024;
const largeValues = 4_000;
const largeTextBytes = 32 * 1024;
/**
 * managedFields are not recorded for objects with more values: the record would be larger than what upstream stores. Any map that is small
 * enough to be written (`maxValues`) has fewer, so that what one write has recorded the next one does not drop.
 */
const maxTrackedValues = 26_000;

/** How large a JSON value is. */
export interface ObjectSize {
  /** About the length of its JSON. */
  bytes: number;
  /** How many objects, lists and scalars it consists of. */
  values: number;
}

/** Measures a JSON value; takes time in proportion to its size. */
export function sizeOf(value: unknown): ObjectSize {
  const size = { bytes: 0, values: 0 };
  measure(value, size);
  return size;
}

function measure(value: unknown, size: ObjectSize): void {
  size.values += 1;
  if (typeof value === 'string') size.bytes += value.length + 3;
  else if (typeof value !== 'object' || value === null) size.bytes += 6;
  else if (Array.isArray(value)) {
    size.bytes += 2;
    for (const item of value) measure(item, size);
  } else {
    size.bytes += 2;
    for (const key in value) {
      size.bytes += key.length + 3;
      measure((value as Record<string, unknown>)[key], size);
    }
  }
}

/** Like {@link isLarge}, for an object of which only the length of its JSON is known. */
export const isLargeText = (bytes: number): boolean => bytes > largeTextBytes;

/**
 * Whether a write of it should be done step by step, with other requests in between. Stops counting once that is known: cheap for any
 * object.
 */
export function isLarge(value: unknown): boolean {
  const left = { bytes: largeBytes, values: largeValues };
  return !fits(value, left);
}

function fits(value: unknown, left: ObjectSize): boolean {
  left.values -= 1;
  if (typeof value === 'string') left.bytes -= value.length;
  if (left.bytes < 0 || left.values < 0) return false;
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every((item) => fits(item, left));
  for (const key in value) {
    left.bytes -= key.length;
    if (!fits((value as Record<string, unknown>)[key], left)) return false;
  }
  return true;
}

/** Upstream, too, stores an object without managedFields where it would be too large with them. */
export const isTrackable = ({ values }: ObjectSize): boolean => values <= maxTrackedValues;

/** Checks that the store takes an object of this size. @throws ApiError 500 with etcd's text, as upstream answers */
export function checkStorable({ bytes }: ObjectSize): void {
  if (bytes > maxStoredBytes) throw failure(500, '', 'etcdserver: request is too large');
}
