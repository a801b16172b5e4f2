/**
 * The subject of a certificate request, in the parts that Go's `pkix.Name` has. What a value says is the same here, in admission, in
 * approval and in the certificate that is signed: two readings of one name are how a request for one user becomes another's certificate.
 *
 * Source: RFC 5280 (Name); Go's `crypto/x509/pkix` (FillFromRDNSequence), `encoding/asn1`.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { type DerElement, DerError, oidText, syntaxError, tags } from './der.ts';

/** Each part has its values in their order; of {@link commonName} and {@link serialNumber} the last one counts. */
export interface Subject {
  country: string[];
  organization: string[];
  organizationalUnit: string[];
  locality: string[];
  province: string[];
  streetAddress: string[];
  postalCode: string[];
  commonName: string;
  serialNumber: string;
}

/** The parts in the order in which a certificate has them, with the last number of their identifier 2.5.4.x. */
export const subjectParts: readonly (readonly [part: keyof Subject, id: number])[] = [
  ['country', 6],
  ['organization', 10],
  ['organizationalUnit', 11],
  ['locality', 7],
  ['province', 8],
  ['streetAddress', 9],
  ['postalCode', 17],
  ['commonName', 3],
  ['serialNumber', 5],
];

const partsByOid = new Map(subjectParts.map(([part, id]) => [Buffer.from([0x55, 0x04, id]).toString('hex'), part]));

/** @param name an element of type Name @throws DerError */
export function readSubject(name: DerElement): Subject {
  const subject: Subject = {
    country: [],
    organization: [],
    organizationalUnit: [],
    locality: [],
    province: [],
    streetAddress: [],
    postalCode: [],
    commonName: '',
    serialNumber: '',
  };
  for (const names = name.reader(); !names.isAtEnd; )
    for (const set = names.expect(tags.set, 'RelativeDistinguishedNameSET').reader(); !set.isAtEnd; ) {
      const fields = set.expect(tags.sequence, 'AttributeTypeAndValue').reader();
      const part = partsByOid.get(oidText(fields.expect(tags.oid, 'ObjectIdentifier')));
      const value = stringOf(fields.next());
      if (part === undefined || value === undefined) continue;
      if (part === 'commonName' || part === 'serialNumber') subject[part] = value;
      else subject[part].push(value);
    }
  return subject;
}

/** Undefined: the value is no string, and Go ignores it. @throws DerError */
function stringOf({ tag, content }: DerElement): string | undefined {
  switch (tag) {
    case tags.printableString:
      return checked(content, /^[A-Za-z0-9 '()+,\-./:=?*&]*$/, 'PrintableString');
    case tags.numericString:
      return checked(content, /^[0-9 ]*$/, 'NumericString');
    case tags.ia5String:
      if (!isAscii(content)) throw syntaxError('IA5String contains invalid character');
      return content.toString('latin1');
    case tags.utf8String:
    case tags.t61String:
      if (!isUtf8(content)) throw new DerError('asn1: invalid UTF-8 string');
      return content.toString('utf8');
    case tags.bmpString:
      return bmpText(content);
    default:
      return undefined;
  }
}

function checked(content: Buffer, allowed: RegExp, type: string): string {
  const text = content.toString('latin1');
  if (!allowed.test(text)) throw syntaxError(`${type} contains invalid character`);
  return text;
}

function bmpText(content: Buffer): string {
  if (content.length % 2 !== 0) throw new DerError('invalid BMPString');
  const text = Buffer.from(content).swap16().toString('utf16le');
  return text.endsWith('\0') ? text.slice(0, -1) : text;
}
