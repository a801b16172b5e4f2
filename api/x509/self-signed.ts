/** Self-signed serving certificates. Source: RFC 5280; client-go `util/cert/cert.go` (GenerateSelfSignedCertKey). */
import { createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { type AlternativeNames, writeAlternativeNames } from './alternative-names.ts';
import { signatureOf, signedRequest } from './create-request.ts';
import { derElement, tags } from './der.ts';
import { encodePem } from './pem.ts';

const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');
const commonNameOid = hex('550403');
const basicConstraintsOid = hex('551d13');
const keyUsageOid = hex('551d0f');
const extendedKeyUsageOid = hex('551d25');
const alternativeNamesOid = hex('551d11');
const serverAuthOid = hex('2b06010505070301');
/** digitalSignature and keyEncipherment: the first and the third of nine bits. */
const keyUsageBits = hex('05a0');
const utcTimeTag = 0x17;
const generalizedTimeTag = 0x18;
const hourMs = 3_600_000;

/** The content of the certificate. */
export interface SelfSigned {
  commonName: string;
  names: Partial<AlternativeNames>;
  nowMs: number;
}

/** A certificate in PEM, valid for a year from an hour ago on, and signed with its own key. @param key RSA or ECDSA */
export function createSelfSigned({ commonName, names, nowMs }: SelfSigned, key: KeyObject): string {
  const { identifier } = signatureOf(key);
  const attribute = derElement(
    tags.sequence,
    derElement(tags.oid, commonNameOid),
    derElement(tags.utf8String, Buffer.from(commonName)),
  );
  const subject = derElement(tags.sequence, derElement(tags.set, attribute));
  const alternativeNames = writeAlternativeNames({ dnsNames: [], emailAddresses: [], ipAddresses: [], uris: [], ...names });
  const extensions = [
    extension(basicConstraintsOid, true, derElement(tags.sequence)),
    extension(keyUsageOid, true, derElement(tags.bitString, keyUsageBits)),
    extension(extendedKeyUsageOid, false, derElement(tags.sequence, derElement(tags.oid, serverAuthOid))),
    ...(alternativeNames === undefined ? [] : [extension(alternativeNamesOid, false, alternativeNames)]),
  ];
  const signed = derElement(
    tags.sequence,
    derElement(0xa0, derElement(tags.integer, hex('02'))),
    derElement(tags.integer, serialNumber()),
    identifier,
    subject,
    derElement(tags.sequence, time(nowMs - hourMs), time(nowMs + 365 * 24 * hourMs)),
    subject,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    derElement(0xa3, derElement(tags.sequence, ...extensions)),
  );
  return encodePem('CERTIFICATE', signedRequest(signed, key));
}

function extension(oid: Buffer, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [derElement(0x01, hex('ff'))] : [];
  return derElement(tags.sequence, derElement(tags.oid, oid), ...critical, derElement(tags.octetString, value));
}

/** Positive, and without a leading zero. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

/** `YYMMDDHHMMSSZ` until 2049, with four digits of the year after it (RFC 5280, 4.1.2.5). */
function time(ms: number): Buffer {
  const digits = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:T]/g, '');
  return digits < '2050'
    ? derElement(utcTimeTag, Buffer.from(digits.slice(2)))
    : derElement(generalizedTimeTag, Buffer.from(digits));
}
