/**
 * Subject alternative names of a certificate request: DNS names, email addresses, IP addresses and URIs, as Go reads them. Other kinds
 * of names are ignored, and no signed certificate has them.
 *
 * Source: RFC 5280, 4.2.1.6; Go's `crypto/x509` (parseSANExtension).
 */
import { isAscii } from 'node:buffer';
import { type DerElement, DerError, type DerReader, derElement, onlyElement, tags } from './der.ts';

/** The subject alternative names of a certificate or a request. Source: RFC 5280, 4.2.1.6. */
export interface AlternativeNames {
  dnsNames: string[];
  emailAddresses: string[];
  /** 4 or 16 bytes each. */
  ipAddresses: Buffer[];
  uris: string[];
}

/** Limit per request, far above any real one. */
const maxNames = 10_000;
/** Context-specific, primitive. */
const generalName = { email: 0x81, dns: 0x82, uri: 0x86, ip: 0x87 } as const;

/** @param value of the extension @throws DerError */
export function readAlternativeNames(value: Buffer): AlternativeNames {
  const names: AlternativeNames = { dnsNames: [], emailAddresses: [], ipAddresses: [], uris: [] };
  const reader = sequenceOf(value);
  while (!reader.isAtEnd) {
    const { tag, content } = nextName(reader);
    if (tag === generalName.email) names.emailAddresses.push(ascii(content, 'rfc822Name'));
    else if (tag === generalName.dns) names.dnsNames.push(ascii(content, 'dNSName'));
    else if (tag === generalName.uri) names.uris.push(uri(content));
    else if (tag === generalName.ip) names.ipAddresses.push(address(content));
  }
  return names;
}

/** The value of the extension; undefined where there is no name. */
export function writeAlternativeNames(names: AlternativeNames): Buffer | undefined {
  const text = (tag: number, values: readonly string[]): Buffer[] =>
    values.map((value) => derElement(tag, Buffer.from(value, 'latin1')));
  const all = [
    ...text(generalName.dns, names.dnsNames),
    ...text(generalName.email, names.emailAddresses),
    ...names.ipAddresses.map((bytes) => derElement(generalName.ip, bytes)),
    ...text(generalName.uri, names.uris),
  ];
  return all.length === 0 ? undefined : derElement(tags.sequence, ...all);
}

function sequenceOf(value: Buffer): DerReader {
  try {
    return onlyElement(value, tags.sequence, '', { left: maxNames }).reader();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new DerError('x509: invalid subject alternative names', { cause: error });
  }
}

function nextName(reader: DerReader): DerElement {
  try {
    return reader.next();
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    throw new DerError('x509: invalid subject alternative name', { cause: error });
  }
}

function ascii(content: Buffer, what: string): string {
  if (!isAscii(content)) throw new DerError(`x509: SAN ${what} is malformed`);
  return content.toString('latin1');
}

function uri(content: Buffer): string {
  const text = ascii(content, 'uniformResourceIdentifier');
  if (!URL.canParse(text)) throw new DerError(`x509: cannot parse URI ${JSON.stringify(text)}`);
  return text;
}

function address(content: Buffer): Buffer {
  if (content.length !== 4 && content.length !== 16)
    throw new DerError(`x509: cannot parse IP address of length ${content.length}`);
  return content;
}
