/** DNS messages on the wire: what is asked, and replies that fit (RFC 1035, RFC 6891). */
import dnsPacket, { type Answer, type Question } from 'dns-packet';
import { countsOf, headerBytes, readQuestion, readRecord } from './wire.ts';

const plainUdpBytes = 512;
/** Larger UDP messages may be fragmented on the way (DNS flag day 2020). */
const maxUdpBytes = 1_232;

const flag = {
  response: 0x8000,
  opcode: 0x7800,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
} as const;

const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
export type Rcode = keyof typeof rcodes;

export interface Query {
  id: number;
  flags: number;
  question: Question;
  /** The question's own bytes, which a reply repeats: not every name survives being read as text. */
  questionBytes: Buffer;
  /** Present when the query carries EDNS. */
  edns: { udpBytes: number; version: number } | undefined;
}

/** `reject` carries the whole reply; `ignore`: whatever it is, answering would be wrong (or make a loop). */
export type Parsed = { kind: 'query'; query: Query } | { kind: 'reject'; reply: Buffer } | { kind: 'ignore' };

/**
 * Takes any bytes, in time linear in them. One question, and no more records than a query has use for: those of a dynamic update, EDNS and
 * a signature (the library of CoreDNS accepts as much).
 */
export function parseQuery(message: Buffer): Parsed {
  if (message.length < headerBytes || (message.readUInt16BE(2) & flag.response) !== 0) return { kind: 'ignore' };
  const flags = message.readUInt16BE(2);
  if ((flags & flag.opcode) !== 0) return { kind: 'reject', reply: bareReply(message, 'NOTIMP') };
  const malformed: Parsed = { kind: 'reject', reply: bareReply(message, 'FORMERR') };
  const { questions, answers, authorities, additionals } = countsOf(message);
  if (questions !== 1 || answers > 1 || authorities > 1 || additionals > 2) return malformed;
  const found = readQuestion(message);
  if (found === undefined) return malformed;
  let offset = found.end;
  let edns: Query['edns'];
  for (let index = 0; index < answers + authorities + additionals; index++) {
    const record = readRecord(message, offset);
    if (record === undefined) return malformed;
    offset = record.end;
    if (record.type !== optType || index < answers + authorities) continue;
    // One, of the root's name (RFC 6891, 6.1.1).
    if (edns !== undefined || record.nameBytes !== 1) return malformed;
    edns = { udpBytes: record.dnsClass, version: (record.ttl >>> 16) & 0xff };
  }
  const question = decodeQuestion(found.bytes);
  return question === undefined
    ? malformed
    : { kind: 'query', query: { id: message.readUInt16BE(0), flags, question, questionBytes: found.bytes, edns } };
}

const optType = 41;
/** A header that counts one question. */
const questionHeader = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);

/** Undefined: whatever the decoder tripped over, the sender made it. */
function decodeQuestion(bytes: Buffer): Question | undefined {
  try {
    return dnsPacket.decode(Buffer.concat([questionHeader, bytes])).questions?.[0];
  } catch {
    return undefined;
  }
}

export interface ReplyContent {
  rcode: Rcode;
  authoritative: boolean;
  answers?: readonly Answer[];
  authorities?: readonly Answer[];
  additionals?: readonly Answer[];
}

/** A root's name, type, class, time to live and length. */
const minRecordBytes = 11;

/** How long a reply may be for whoever asked. */
export const replyLimit = (query: Query, transport: 'udp' | 'tcp'): number =>
  transport === 'tcp' ? 65_535 : Math.max(plainUdpBytes, Math.min(query.edns?.udpBytes ?? 0, maxUdpBytes));

/** A reply of somebody else as our client can take it: one that is too long only says so. `reply` has a whole header. */
export function fitReply(reply: Buffer, query: Query, limit: number): Buffer {
  if (reply.length <= limit) return reply;
  const cut = Buffer.concat([reply.subarray(0, headerBytes), query.questionBytes]);
  cut.writeUInt16BE(cut.readUInt16BE(2) | flag.truncated, 2);
  cut.fill(0, 6, headerBytes);
  cut.writeUInt16BE(1, 4);
  return cut;
}

/** Over UDP, what does not fit is left out, additional records first, and TC tells the client to ask again over TCP. */
export function encodeReply(query: Query, content: ReplyContent, transport: 'udp' | 'tcp'): Buffer {
  const limit = replyLimit(query, transport);
  const { answers = [], authorities = [], additionals = [] } = content;
  // Thousands of records are not encoded to find that a few dozen fit.
  const most = Math.floor(limit / minRecordBytes);
  if (answers.length <= most) {
    const whole = encode(query, content, { answers, authorities, additionals: additionals.slice(0, most) }, false);
    if (additionals.length <= most && whole.length <= limit) return whole;
    const bare = encode(query, content, { answers, authorities, additionals: [] }, false);
    if (bare.length <= limit) return bare;
  }
  let fits = 0;
  let tooMany = Math.min(answers.length, most);
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (encode(query, content, { answers: answers.slice(0, middle), authorities: [], additionals: [] }, true).length <= limit)
      fits = middle;
    else tooMany = middle;
  }
  return encode(query, content, { answers: answers.slice(0, fits), authorities: [], additionals: [] }, true);
}

interface Sections {
  answers: readonly Answer[];
  authorities: readonly Answer[];
  additionals: readonly Answer[];
}

function encode(query: Query, { rcode, authoritative }: ReplyContent, sections: Sections, truncated: boolean): Buffer {
  const badVersion = (query.edns?.version ?? 0) > 0;
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: maxUdpBytes,
    extendedRcode: badVersion ? 1 : 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } as const;
  const encoded = dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags:
      (query.flags & flag.recursionDesired) |
      flag.recursionAvailable |
      (authoritative ? flag.authoritative : 0) |
      (truncated ? flag.truncated : 0) |
      (badVersion ? 0 : rcodes[rcode]),
    answers: badVersion ? [] : [...sections.answers],
    authorities: badVersion ? [] : [...sections.authorities],
    additionals: [...(badVersion ? [] : sections.additionals), ...(query.edns === undefined ? [] : [{ ...opt, options: [] }])],
  });
  encoded.writeUInt16BE(1, 4);
  // The encoder compresses no names, so no pointer is moved by this.
  return Buffer.concat([encoded.subarray(0, headerBytes), query.questionBytes, encoded.subarray(headerBytes)]);
}

/** A reply to what cannot be read or answered: the header alone. `message` has a whole header. */
export function bareReply(message: Buffer, rcode: Rcode): Buffer {
  const reply = Buffer.alloc(headerBytes);
  message.copy(reply, 0, 0, 2);
  reply.writeUInt16BE(flag.response | (message.readUInt16BE(2) & (flag.opcode | flag.recursionDesired)) | rcodes[rcode], 2);
  return reply;
}
