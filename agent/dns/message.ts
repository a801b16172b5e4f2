/** Parses DNS queries and builds replies that fit the client's size limit (RFC 1035, RFC 6891). */
import dnsPacket, { type Answer, type Question } from 'dns-packet';
import { countsOf, headerBytes, readQuestion, readRecord } from './wire.ts';

const plainUdpBytes = 512;
/** Largest UDP reply. Larger messages may be fragmented on the way (DNS flag day 2020). */
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
/** The response codes that the server uses. */
export type Rcode = keyof typeof rcodes;

/** A query that has been parsed. */
export interface Query {
  id: number;
  flags: number;
  question: Question;
  /** The bytes of the question, which the reply repeats: some names change when they are decoded to text and encoded again. */
  questionBytes: Buffer;
  /** The EDNS record of the query. Undefined when the query has none. */
  edns: { udpBytes: number; version: number } | undefined;
}

/**
 * The result of {@link parseQuery}. `reject`: the reply to send. `ignore`: no reply, because the message is itself a reply
 * (answering could make a loop) or too short.
 */
export type Parsed = { kind: 'query'; query: Query } | { kind: 'reject'; reply: Buffer } | { kind: 'ignore' };

/**
 * Parses a message of any bytes, in linear time. Accepts one question and as many records as a query can need: those of a dynamic
 * update, EDNS and a signature (CoreDNS' library accepts the same number).
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
    // There may be one EDNS record, and its name must be the root (RFC 6891, 6.1.1).
    if (edns !== undefined || record.nameBytes !== 1) return malformed;
    edns = { udpBytes: record.dnsClass, version: (record.ttl >>> 16) & 0xff };
  }
  const question = decodeQuestion(found.bytes);
  return question === undefined
    ? malformed
    : { kind: 'query', query: { id: message.readUInt16BE(0), flags, question, questionBytes: found.bytes, edns } };
}

const optType = 41;
/** A header with one question and no records. */
const questionHeader = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);

/** Decodes one question. Undefined when it cannot be decoded: the fault is in the message. */
function decodeQuestion(bytes: Buffer): Question | undefined {
  try {
    return dnsPacket.decode(Buffer.concat([questionHeader, bytes])).questions?.[0];
  } catch {
    return undefined;
  }
}

/** The content of a reply to one query. */
export interface ReplyContent {
  rcode: Rcode;
  authoritative: boolean;
  answers?: readonly Answer[];
  authorities?: readonly Answer[];
  additionals?: readonly Answer[];
}

/** Size of the smallest record: root name, type, class, time to live and length. */
const minRecordBytes = 11;

/** The largest reply that the client accepts, in bytes. */
export const replyLimit = (query: Query, transport: 'udp' | 'tcp'): number =>
  transport === 'tcp' ? 65_535 : Math.max(plainUdpBytes, Math.min(query.edns?.udpBytes ?? 0, maxUdpBytes));

/**
 * Fits a resolver's reply to the client's limit: one that is too long is cut to its question, with TC set. `reply` must have a
 * whole header.
 */
export function fitReply(reply: Buffer, query: Query, limit: number): Buffer {
  if (reply.length <= limit) return reply;
  const cut = Buffer.concat([reply.subarray(0, headerBytes), query.questionBytes]);
  cut.writeUInt16BE(cut.readUInt16BE(2) | flag.truncated, 2);
  cut.fill(0, 6, headerBytes);
  cut.writeUInt16BE(1, 4);
  return cut;
}

/**
 * Encodes a reply. Over UDP, records that do not fit are left out, additional records first; TC then tells the client to ask
 * again over TCP.
 */
export function encodeReply(query: Query, content: ReplyContent, transport: 'udp' | 'tcp'): Buffer {
  const limit = replyLimit(query, transport);
  const { answers = [], authorities = [], additionals = [] } = content;
  // Limits the records before encoding: without this, thousands of records would be encoded only to find that a few dozen fit.
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
  // The encoder does not compress names, so inserting the question moves no pointer.
  return Buffer.concat([encoded.subarray(0, headerBytes), query.questionBytes, encoded.subarray(headerBytes)]);
}

/** A reply of the header alone, for a message that cannot be parsed or answered. `message` must have a whole header. */
export function bareReply(message: Buffer, rcode: Rcode): Buffer {
  const reply = Buffer.alloc(headerBytes);
  message.copy(reply, 0, 0, 2);
  reply.writeUInt16BE(flag.response | (message.readUInt16BE(2) & (flag.opcode | flag.recursionDesired)) | rcodes[rcode], 2);
  return reply;
}
