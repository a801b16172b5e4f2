/** IP addresses and names, in the forms that DNS names use. */
import { parseIp } from '#api/ip.ts';

/**
 * The canonical spelling of an IP address (RFC 5952), so that two spellings of one address compare equal. Text that is no IP
 * address is returned unchanged.
 */
export const canonicalAddress = (address: string): string => parseIp(address)?.text ?? address;

/**
 * Whether an A or AAAA record can hold the text. An address with a zone (`fe80::1%eth0`) is refused: the zone has a meaning only
 * on its own machine.
 */
export const isAddress = (text: unknown): text is string => parseIp(text) !== undefined;

/**
 * Whether the text can be the name of a record: labels of 1 to 63 bytes, 253 bytes in all (RFC 1035, 2.3.4), and only the
 * characters that the API allows in names.
 */
export const isDnsName = (text: unknown): text is string =>
  typeof text === 'string' &&
  text.length <= 254 &&
  text
    .replace(/\.$/, '')
    .split('.')
    .every((label) => /^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?$/.test(label)) &&
  text.replace(/\.$/, '').length <= 253;

/** `10.0.0.1` → `10-0-0-1`: CoreDNS names an endpoint so when it has no hostname. */
export const dashed = (address: string): string => address.replaceAll(/[.:]/g, '-');

/**
 * The inverse of {@link dashed}: the address in a pod's name (`10-0-0-1`, `fd00--1`). Undefined when the label is no such
 * address.
 */
export const undashed = (label: string): string | undefined =>
  (parseIp(label.replaceAll('-', '.')) ?? parseIp(label.replaceAll('-', ':')))?.text;

/** The address that a reverse name stands for (RFC 1035 3.5, RFC 3596 2.5). Undefined for any other name. */
export function addressOfReverse(name: string): string | undefined {
  const four = name.match(/^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/i);
  const address = four?.slice(1, 5).reverse().join('.') ?? sixOfReverse(name);
  return parseIp(address)?.text;
}

function sixOfReverse(name: string): string | undefined {
  const nibbles = name
    .match(/^((?:[0-9a-f]\.){32})ip6\.arpa$/i)?.[1]
    ?.split('.')
    .slice(0, 32)
    .reverse()
    .join('');
  return nibbles?.match(/.{4}/g)?.join(':');
}
