/**
 * What a DNS message is, byte by byte, before anything of it is decoded: bounds, counts and names (RFC 1035, 4.1). Linear in the message,
 * and free of what a decoder could be led in circles with. Pure.
 */

export const headerBytes = 12;
const maxNameBytes = 255;
/** A name has at most 127 labels, and a pointer before each would be one too many (as in the library of CoreDNS). */
const maxPointers = 126;

export interface WireQuestion {
  /** Name, type and class, as they came. */
  bytes: Buffer;
  /** Where the records begin. */
  end: number;
}

export interface WireRecord {
  /** Of the name, which is the root's for EDNS. */
  nameBytes: number;
  type: number;
  dnsClass: number;
  ttl: number;
  end: number;
}

export interface Counts {
  questions: number;
  answers: number;
  authorities: number;
  additionals: number;
}

/** `message` has a whole header. */
export const countsOf = (message: Buffer): Counts => ({
  questions: message.readUInt16BE(4),
  answers: message.readUInt16BE(6),
  authorities: message.readUInt16BE(8),
  additionals: message.readUInt16BE(10),
});

/** Where the name ends that begins at `offset`; undefined when it does not end, or is none. */
function nameEnd(message: Buffer, offset: number, pointers: 'allowed' | 'refused'): number | undefined {
  for (let at = offset; at - offset < maxNameBytes; ) {
    const length = message[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    // A pointer is the end of a name.
    if (length >= 0xc0) return pointers === 'allowed' && at + 2 <= message.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/** The question at `offset`. Its name is whole: nothing stands before it that a pointer could mean. */
export function readQuestion(message: Buffer, offset = headerBytes): WireQuestion | undefined {
  const afterName = nameEnd(message, offset, 'refused');
  if (afterName === undefined || afterName + 4 > message.length) return undefined;
  return { bytes: message.subarray(offset, afterName + 4), end: afterName + 4 };
}

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
 * Whether a reply holds the records that it counts, and repeats this question, whatever the case of its letters: a resolver may play
 * with it (0x20), and a forger has to guess it.
 */
export function answersQuestion(reply: Buffer, question: Buffer): boolean {
  const { questions, answers, authorities, additionals } = countsOf(reply);
  const own = questions === 1 ? readQuestion(reply) : undefined;
  if (own === undefined || lowerCase(own.bytes) !== lowerCase(question)) return false;
  let offset = own.end;
  for (let left = answers + authorities + additionals; left > 0; left--) {
    const record = readRecord(reply, offset);
    if (record === undefined) return false;
    offset = record.end;
  }
  return true;
}

const lowerCase = (bytes: Buffer): string => bytes.toString('latin1').replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/**
 * Whether following pointers takes a decoder few steps, wherever in the message it begins: chains of pointers make the decoding of 64 KiB
 * cost a second.
 */
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

/** The next pointer of a name that begins at `offset`, before `limit`: decoders follow pointers backwards only. */
function pointerBehind(message: Buffer, offset: number, limit: number): number | undefined {
  for (let at = offset; at < limit && at - offset < maxNameBytes; ) {
    const length = message[at] ?? 0;
    if (length >= 0xc0) return at;
    if (length === 0 || length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}
