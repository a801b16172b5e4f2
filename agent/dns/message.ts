/** DNS messages on the wire: what is asked, and replies that fit (RFC 1035, RFC 6891). */
import dnsPacket, { type Answer, type DecodedPacket, type Question } from 'dns-packet';

const headerBytes = 12;
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
  /** Present when the query carries EDNS. */
  edns: { udpBytes: number; version: number } | undefined;
}

/** `reject` carries the whole reply; `ignore`: whatever it is, answering would be wrong (or make a loop). */
export type Parsed = { kind: 'query'; query: Query } | { kind: 'reject'; reply: Buffer } | { kind: 'ignore' };

/** Takes any bytes. */
export function parseQuery(message: Buffer): Parsed {
  if (message.length < headerBytes || (message.readUInt16BE(2) & flag.response) !== 0) return { kind: 'ignore' };
  const flags = message.readUInt16BE(2);
  if ((flags & flag.opcode) !== 0) return { kind: 'reject', reply: bareReply(message, 'NOTIMP') };
  let packet: DecodedPacket;
  try {
    packet = dnsPacket.decode(message);
  } catch {
    // Whatever the decoder tripped over, the sender made it: RFC 1035 has a code for that.
    return { kind: 'reject', reply: bareReply(message, 'FORMERR') };
  }
  const [question, ...others] = packet.questions ?? [];
  if (question === undefined || others.length > 0) return { kind: 'reject', reply: bareReply(message, 'FORMERR') };
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  const edns = opt?.type === 'OPT' ? { udpBytes: opt.udpPayloadSize, version: opt.ednsVersion } : undefined;
  return { kind: 'query', query: { id: packet.id ?? 0, flags, question, edns } };
}

export interface ReplyContent {
  rcode: Rcode;
  authoritative: boolean;
  answers?: readonly Answer[];
  authorities?: readonly Answer[];
  additionals?: readonly Answer[];
}

/** Over UDP, what does not fit is left out, additional records first, and TC tells the client to ask again over TCP. */
export function encodeReply(query: Query, content: ReplyContent, transport: 'udp' | 'tcp'): Buffer {
  const limit = transport === 'tcp' ? 65_535 : Math.max(plainUdpBytes, Math.min(query.edns?.udpBytes ?? 0, maxUdpBytes));
  const { answers = [], authorities = [], additionals = [] } = content;
  const whole = encode(query, content, { answers, authorities, additionals }, false);
  if (whole.length <= limit) return whole;
  const bare = encode(query, content, { answers, authorities, additionals: [] }, false);
  if (bare.length <= limit) return bare;
  let fits = 0;
  let tooMany = answers.length;
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
  return dnsPacket.encode({
    type: 'response',
    id: query.id,
    flags:
      (query.flags & flag.recursionDesired) |
      flag.recursionAvailable |
      (authoritative ? flag.authoritative : 0) |
      (truncated ? flag.truncated : 0) |
      (badVersion ? 0 : rcodes[rcode]),
    questions: [query.question],
    answers: badVersion ? [] : [...sections.answers],
    authorities: badVersion ? [] : [...sections.authorities],
    additionals: [...(badVersion ? [] : sections.additionals), ...(query.edns === undefined ? [] : [{ ...opt, options: [] }])],
  });
}

/** A reply to what cannot be read or answered: the header alone. `message` has a whole header. */
export function bareReply(message: Buffer, rcode: Rcode): Buffer {
  const reply = Buffer.alloc(headerBytes);
  message.copy(reply, 0, 0, 2);
  reply.writeUInt16BE(flag.response | (message.readUInt16BE(2) & (flag.opcode | flag.recursionDesired)) | rcodes[rcode], 2);
  return reply;
}
