/**
 * Checks a DNS message byte by byte before a library decodes it: its bounds, counts and names (RFC 1035, 4.1). The checks take
 * linear time, and refuse chains of pointers that would keep a decoder busy. Pure.
 */

/** Length of the header of a DNS message. */
export const headerBytes = 12;
const maxNameBytes = 255;
/**
 * Limit of pointers in one name. A name has at most 127 labels, so at most 126 pointers stand between them (CoreDNS' library has
 * the same limit).
 */
const maxPointers = 126;

/** The question of a message. */
export interface WireQuestion {
  /** The bytes of name, type and class, unchanged. */
  bytes: Buffer;
  /** Offset of the first byte after the question. */
  end: number;
}

/** One record of a message. */
export interface WireRecord {
  /** Length of the record's name. The root name, which an EDNS record has, is one byte long. */
  nameBytes: number;
  type: number;
  dnsClass: number;
  ttl: number;
  end: number;
}

/** The numbers of questions and records that the header gives. */
export interface Counts {
  questions: number;
  answers: number;
  authorities: number;
  additionals: number;
}

/** Reads the counts. `message` must have a whole header. */
export const countsOf = (message: Buffer): Counts => ({
  questions: message.readUInt16BE(4),
  answers: message.readUInt16BE(6),
  authorities: message.readUInt16BE(8),
  additionals: message.readUInt16BE(10),
});

/**
 * The offset after the name that begins at `offset`. Undefined when the name does not end within the message, or is not valid.
 */
function nameEnd(message: Buffer, offset: number, pointers: 'allowed' | 'refused'): number | undefined {
  for (let at = offset; at - offset < maxNameBytes; ) {
    const length = message[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    // A pointer is always the last part of a name.
    if (length >= 0xc0) return pointers === 'allowed' && at + 2 <= message.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/**
 * The question at `offset`; undefined when it is broken. Pointers are refused: before the first question stands no name that one
 * could point to.
 */
export function readQuestion(message: Buffer, offset = headerBytes): WireQuestion | undefined {
  const afterName = nameEnd(message, offset, 'refused');
  if (afterName === undefined || afterName + 4 > message.length) return undefined;
  return { bytes: message.subarray(offset, afterName + 4), end: afterName + 4 };
}

/** The record at `offset`; undefined when it does not end within the message. */
export function readRecord(message: Buffer, offset: number): WireRecord | undefined {
  const afterName = nameEnd(message, offset, 'allowed');
  if (afterName === undefined || afterName + 10 > message.length) return undefined;
  const end = afterName + 10 + message.readUInt16BE(afterName + 8);
  if (end > message.length) return undefined;
  return {
    nameBytes: afterName - offset,
    type: message.readUInt16BE(afterName),
    dnsClass: message.readUInt16BE(afterName + 2),
    ttl: message.readUInt32BE(afterName + 4),
    end,
  };
}

/**
 * Whether a reply contains all records that its header counts, and repeats `question`. Upper and lower case are equal: a resolver
 * may change them (0x20). An attacker who forges a reply has to guess the question.
 */
export function answersQuestion(reply: Buffer, question: Buffer): boolean {
  const { questions, answers, authorities, additionals } = countsOf(reply);
  const repeated = questions === 1 ? readQuestion(reply) : undefined;
  if (repeated === undefined || lowerCase(repeated.bytes) !== lowerCase(question)) return false;
  let offset = repeated.end;
  for (let left = answers + authorities + additionals; left > 0; left--) {
    const record = readRecord(reply, offset);
    if (record === undefined) return false;
    offset = record.end;
  }
  return true;
}

const lowerCase = (bytes: Buffer): string => bytes.toString('latin1').replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Whether every chain of pointers in the message is short. Long chains make the decoding of a 64 KiB message take a second. */
export function hasShortPointers(message: Buffer): boolean {
  const depths = new Uint8Array(message.length);
  for (let at = headerBytes; at + 1 < message.length; at++) {
    if ((message[at] ?? 0) < 0xc0) continue;
    const next = pointerBehind(message, message.readUInt16BE(at) & 0x3fff, at);
    if (next === undefined) continue;
    const depth = (depths[next] ?? 0) + 1;
    if (depth > maxPointers) return false;
    depths[at] = depth;
  }
  return true;
}

/**
 * The offset of the first pointer in the name that begins at `offset`; undefined when the name has none before `limit`. Decoders
 * follow pointers only backwards, so later bytes do not matter.
 */
function pointerBehind(message: Buffer, offset: number, limit: number): number | undefined {
  for (let at = offset; at < limit && at - offset < maxNameBytes; ) {
    const length = message[at] ?? 0;
    if (length >= 0xc0) return at;
    if (length === 0 || length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}
