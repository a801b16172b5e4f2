/**
 * Formats of strings, and which of them custom resources know.
 *
 * Source: kube-openapi `pkg/validation/strfmt`; apiextensions-apiserver `pkg/apiserver/validation/formats.go`.
 */
import { RE2JS } from 're2js';
import { parseCidrSloppy, parseIp, parseIpSloppy } from '../ip.ts';
import { tryParseDuration } from './format-duration.ts';

const hexDigits = (count: number): string => `[0-9a-f]{${count}}`;
const uuid = (third: string, fourth: string): RegExp =>
  new RegExp(`^${hexDigits(8)}-?${hexDigits(4)}-?${third}-?${fourth}-?${hexDigits(12)}$`, 'i');
const anyUuid = uuid(hexDigits(4), hexDigits(4));
const uuid3 = uuid(`3${hexDigits(3)}`, hexDigits(4));
const uuid4 = uuid(`4${hexDigits(3)}`, `[89ab]${hexDigits(3)}`);
const uuid5 = uuid(`5${hexDigits(3)}`, `[89ab]${hexDigits(3)}`);

const hostname = RE2JS.compile(
  '^([a-zA-Z0-9\\p{S}\\p{L}]((-?[a-zA-Z0-9\\p{S}\\p{L}]{0,62})?)|([a-zA-Z0-9\\p{S}\\p{L}](([a-zA-Z0-9-\\p{S}\\p{L}]{0,61}[a-zA-Z0-9\\p{S}\\p{L}])?)(\\.)){1,}([a-zA-Z\\p{L}]){2,63})$',
);
const creditCard =
  /^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$/;
const colourPart = '(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])';
const rgbColour = RE2JS.compile(`^rgb\\(\\s*${colourPart}\\s*,\\s*${colourPart}\\s*,\\s*${colourPart}\\s*\\)$`);

/** Whether the text of a format is right, by the format's name without dashes. */
const formats: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
  uri: isRequestUri,
  email: isEmail,
  hostname: isHostname,
  ipv4: (text) => text.includes('.') && parseIpSloppy(text) !== undefined,
  ipv6: (text) => text.includes(':') && parseIp(text) !== undefined,
  cidr: (text) => parseCidrSloppy(text) !== undefined,
  mac: isMac,
  uuid: (text) => anyUuid.test(text),
  uuid3: (text) => uuid3.test(text),
  uuid4: (text) => uuid4.test(text),
  uuid5: (text) => uuid5.test(text),
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: isCreditCard,
  ssn: (text) => text.length === 11 && /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  hexcolor: (text) => /^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
  rgbcolor: (text) => rgbColour.matcher(text).find(),
  byte: (text) => text !== '' && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text),
  password: () => true,
  date: isDate,
  duration: (text) => tryParseDuration(text) !== undefined,
  datetime: isDateTime,
  k8sshortname: (text) => text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text),
  k8slongname: (text) => text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text),
};

const normalized = (format: string): string => format.replaceAll('-', '');

/** Whether strings of this format are checked. */
export const isKnownFormat = (format: string): boolean => Object.hasOwn(formats, normalized(format));

/** @param format a known one */
export const hasFormat = (text: string, format: string): boolean => formats[normalized(format)]?.(text) ?? false;

/** The format as values are checked against it: empty where custom resources do not know it. @param types of the schema */
export function supportedFormat(format: string, types: readonly string[]): string {
  const type = types.length === 1 ? types[0] : '';
  switch (type) {
    case '':
    case 'string':
      return isKnownFormat(format) ? format : '';
    case 'integer':
      return format === 'int32' || format === 'int64' ? format : '';
    case 'number':
      return format === 'float' || format === 'double' ? format : '';
    default:
      return '';
  }
}

/** Go's url.ParseRequestURI: an absolute URL or an absolute path. */
function isRequestUri(text: string): boolean {
  if (text === '' || hasControls(text)) return false;
  if (text === '*') return true;
  if (/%(?![0-9a-fA-F]{2})/.test(text.split('?', 1)[0] ?? '')) return false;
  if (text.startsWith('/')) return true;
  const scheme = /^[a-zA-Z][a-zA-Z0-9+.-]*:(.*)$/s.exec(text);
  if (scheme === null) return false;
  const rest = scheme[1] ?? '';
  if (!rest.startsWith('//')) return true;
  const [authority = ''] = rest.slice(2).split(/[/?#]/, 1);
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  return /^(\[[0-9a-fA-F:.%~_-]+\]|[^\s[\]<>"\\^`{|}:]*)(:\d*)?$/.test(host);
}

/** Whether there are control characters of ASCII. */
function hasControls(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

/** Go's mail.ParseAddress: `user@example.com` or `Name <user@example.com>`. */
function isEmail(text: string): boolean {
  const trimmed = text.trim();
  const named = /^(.*)<([^<>]*)>$/s.exec(trimmed);
  const address = (named?.[2] ?? trimmed).trim();
  const at = address.lastIndexOf('@');
  if (at < 1) return false;
  const [local, domain] = [address.slice(0, at), address.slice(at + 1)];
  const atoms = '[^\\s()<>[\\]:;@\\\\,."]+';
  const isDotted = (part: string): boolean => new RegExp(`^${atoms}(\\.${atoms})*$`).test(part);
  const isQuoted = /^"([^"\\]|\\.)*"$/.test(local);
  const isLiteral = /^\[[^\]]*\]$/.test(domain) && parseIp(domain.slice(1, -1).replace(/^IPv6:/i, '')) !== undefined;
  if (!(isDotted(local) || isQuoted) || !(isDotted(domain) || isLiteral)) return false;
  const name = named?.[1]?.trim() ?? '';
  return /^("([^"\\]|\\.)*"|[^()<>[\]:;@\\,"]*)$/.test(name);
}

function isHostname(text: string): boolean {
  if (text.length > 255 || !hostname.matcher(text).find()) return false;
  return Buffer.byteLength(text) <= 255 && text.split('.').every((part) => Buffer.byteLength(part) <= 63);
}

/** Go's net.ParseMAC: 6, 8 or 20 octets, in pairs with colons or dashes, or in fours with dots. */
function isMac(text: string): boolean {
  const pair = '[0-9a-fA-F]{2}';
  const octets = (separator: string): number =>
    new RegExp(`^${pair}(${separator}${pair})*$`).test(text) ? (text.length + 1) / 3 : 0;
  const dotted = /^[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4})*$/.test(text) ? ((text.length + 1) / 5) * 2 : 0;
  return [octets(':'), octets('-'), dotted].some((count) => [6, 8, 20].includes(count));
}

const withoutSpaces = (text: string): string => text.replace(/[\s-]+/g, '');

function isIsbn10(text: string): boolean {
  const digits = withoutSpaces(text);
  if (!/^(?:[0-9]{9}X|[0-9]{10})$/.test(digits)) return false;
  const values = Array.from(digits, (digit) => (digit === 'X' ? 10 : Number(digit)));
  return values.reduce((sum, value, index) => sum + (index + 1) * value, 0) % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = withoutSpaces(text);
  if (!/^[0-9]{13}$/.test(digits)) return false;
  const sum = Array.from(digits.slice(0, 12), Number).reduce(
    (total, digit, index) => total + digit * (index % 2 === 0 ? 1 : 3),
    0,
  );
  return Number(digits[12]) === (10 - (sum % 10)) % 10;
}

/** With its check digit (Luhn). */
function isCreditCard(text: string): boolean {
  const digits = text.replace(/[^0-9]+/g, '');
  if (!creditCard.test(digits)) return false;
  const sum = Array.from(digits, Number).reduceRight((total, digit, index) => {
    const value = digit * ((digits.length - 1 - index) % 2 === 0 ? 1 : 2);
    return total + (value >= 10 ? (value % 10) + 1 : value);
  }, 0);
  return sum % 10 === 0;
}

/** `2006-01-02`, of a day that there is. */
export function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (match === null) return false;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  if (month < 1 || month > 12 || day < 1) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 ? (leap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);
}

function isDateTime(text: string): boolean {
  const [date = '', time] = text.toLowerCase().split('t');
  if (time === undefined || !isDate(date)) return false;
  const match = /^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$/.exec(time);
  if (match === null) return false;
  const [, hours = '', minutes = '', seconds = ''] = match;
  return hours <= '23' && minutes <= '59' && seconds <= '59';
}
