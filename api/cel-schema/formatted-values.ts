/**
 * Parses strings with a format: bytes, durations, dates.
 *
 * Source: apiserver `pkg/cel/common/valuesunstructured.go` (UnstructuredToVal); kube-openapi `pkg/validation/strfmt`.
 */
import { CelError, Duration, Timestamp, type Value } from '../cel/values.ts';
import { tryParseDuration } from '../formats/format-duration.ts';
import { isDate } from '../formats/formats.ts';

const nanosPerMs = 1_000_000n;

/** @throws CelError */
export function parseFormatDuration(text: string): Value {
  const nanos = tryParseDuration(text);
  if (nanos === undefined) throw new CelError(`Invalid duration ${text}: unable to parse ${text} as duration`);
  return new Duration(nanos);
}

/** @throws CelError */
export function parseDate(text: string): Value {
  if (!isDate(text))
    throw new CelError(`Invalid date formatted string ${text}: parsing time ${JSON.stringify(text)} as "2006-01-02"`);
  return new Timestamp(BigInt(Date.parse(`${text}T00:00:00Z`)) * nanosPerMs);
}

/** @throws CelError */
export function parseDateTime(text: string): Value {
  const [, date, time, fraction = '', zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:\d{2})?$/.exec(text) ?? [];
  const millis = date === undefined || !isDate(date) ? Number.NaN : Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(millis))
    throw new CelError(`Invalid date-time formatted string ${text}: parsing time ${JSON.stringify(text)}`);
  return new Timestamp(BigInt(millis) * nanosPerMs + BigInt(fraction.slice(0, 9).padEnd(9, '0')));
}

/** Upstream decodes base64url here, although the format is validated as standard base64. @throws CelError */
export function parseBytes(text: string): Value {
  const wrong = text.search(/[^A-Za-z0-9_=\n\r-]/);
  if (wrong >= 0) throw new CelError(`Invalid byte formatted string ${text}: illegal base64 data at input byte ${wrong}`);
  return new Uint8Array(Buffer.from(text, 'base64url'));
}
