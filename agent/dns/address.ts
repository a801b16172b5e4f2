/** IP addresses as they appear in names. */
import { parseIp } from '#api/ip.ts';

/** One spelling per address (RFC 5952), so that spellings can be compared; what is no address stays as it is. */
export const canonicalAddress = (address: string): string => parseIp(address)?.text ?? address;

/** Whether a record can hold the address. One with a zone (`fe80::1%eth0`) says nothing to others. */
export const isAddress = (text: unknown): text is string => parseIp(text) !== undefined;

/** Whether the text can be a name in a record: labels of 1 to 63 bytes, 253 in all (RFC 1035, 2.3.4), in what the API allows in names. */
export const isDnsName = (text: unknown): text is string =>
  typeof text === 'string' &&
  text.length <= 254 &&
  text
    .replace(/\.$/, '')
    .split('.')
    .every((label) => /^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?$/.test(label)) &&
  text.replace(/\.$/, '').length <= 253;

/** `10.0.0.1` → `10-0-0-1`: how CoreDNS names an endpoint without a hostname. */
export const dashed = (address: string): string => address.replaceAll(/[.:]/g, '-');

/** The address in a pod's name (`10-0-0-1`, `fd00--1`); undefined when it is none. */
export const undashed = (label: string): string | undefined =>
  (parseIp(label.replaceAll('-', '.')) ?? parseIp(label.replaceAll('-', ':')))?.text;

/** The address that a reverse name stands for (RFC 1035 3.5, RFC 3596 2.5); undefined for any other name. */
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
