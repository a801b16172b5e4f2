/** etcd's ranges of keys as the store has them. */
import type { KeySpan } from '../transaction.ts';
import { checkKey, keyText } from './refusals.ts';

/** What a request says: a key and where its range ends (empty: the key alone; a zero byte: no end). @throws ServiceError */
export function spanOf(key: Buffer, rangeEnd: Buffer): KeySpan {
  checkKey(key);
  const isZero = (bytes: Buffer): boolean => bytes.length === 1 && bytes[0] === 0;
  const from = isZero(key) ? '' : keyText(key);
  if (rangeEnd.length === 0) return { from: keyText(key), to: `${keyText(key)}\0` };
  return { from, to: isZero(rangeEnd) ? undefined : endText(rangeEnd) };
}

/** A client makes the end of a prefix by adding one to its last byte, which need not be UTF-8 then: the next text is meant. */
function endText(end: Buffer): string {
  const text = end.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(end)) return text;
  const last = end.at(-1) ?? 0;
  // 0x80 follows 0x7f, the last character of one byte; the first one of two bytes is U+0080.
  if (last === 0x80) return `${keyText(end.subarray(0, -1))}\u0080`;
  return keyText(end);
}

/** Whether a key is in a span. */
export function isWithin({ from, to }: KeySpan, key: string): boolean {
  const bytes = Buffer.from(key);
  return Buffer.compare(bytes, Buffer.from(from)) >= 0 && (to === undefined || Buffer.compare(bytes, Buffer.from(to)) < 0);
}

/** What all keys of a span begin with. */
export function commonPrefix({ from, to }: KeySpan): string {
  if (to === undefined) return '';
  let at = 0;
  while (at < from.length && from[at] === to[at]) at++;
  // Not within a character.
  const last = from.charCodeAt(at - 1);
  return from.slice(0, last >= 0xd800 && last <= 0xdbff ? at - 1 : at);
}
