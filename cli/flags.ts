/** Parsers of flag values in upstream's forms. */
import { InvalidArgumentError } from 'commander';
import type { ProxyMode } from '#agent/proxy/backends.ts';
import { parseDuration } from '#api/duration.ts';
import { parseCidr } from '#api/ip.ts';

/** A Go duration such as `40s`, `1m30s`, `500ms`, not negative. @returns milliseconds @throws InvalidArgumentError */
export function durationMs(text: string): number {
  try {
    const durationMs = parseDuration(text);
    if (durationMs >= 0) return durationMs;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new InvalidArgumentError('Give a duration such as 40s, 1m30s or 500ms.');
}

/** A CIDR such as `10.244.0.0/16`, or two of different families with a comma. @throws InvalidArgumentError */
export function cidr(text: string): string {
  for (const network of text.split(',')) {
    if (parseCidr(network) === undefined) throw new InvalidArgumentError('Give a network such as 10.244.0.0/16.');
  }
  return text;
}

/** A port number. @throws InvalidArgumentError */
export function port(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > 65_535) throw new InvalidArgumentError('Give a port, 1 to 65535.');
  return number;
}

/** A whole number, 0 included. @throws InvalidArgumentError */
export function count(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Give a whole number.');
  return Number(text);
}

/** A number that is not negative: `0.1`. @throws InvalidArgumentError */
export function ratio(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Give a number such as 0.1.');
  return Number(text);
}

/** A range of ports such as `30000-32767`, both ends included. @throws InvalidArgumentError */
export function portRange(text: string): { first: number; last: number } {
  const [first = '', last = ''] = text.split('-');
  const range = { first: port(first), last: port(last) };
  if (range.first > range.last) throw new InvalidArgumentError('Give a range such as 30000-32767.');
  return range;
}

/**
 * Makes a parser of lists such as `Node,RBAC`. Each item must be one of `known`, and must appear once. @throws
 * InvalidArgumentError in upstream's words
 */
export const listOf =
  <T extends string>(flag: string, known: readonly T[]) =>
  (text: string): T[] => {
    const given = text.split(',');
    if (text === '') throw new InvalidArgumentError(`at least one ${flag} must be passed`);
    const unknown = given.find((one) => !known.some((name) => name === one));
    if (unknown !== undefined)
      throw new InvalidArgumentError(`${flag} ${JSON.stringify(unknown)} is not a valid mode: give some of ${known.join(',')}.`);
    if (new Set(given).size < given.length)
      throw new InvalidArgumentError(`${flag} ${JSON.stringify(given)} has mode specified more than once`);
    return given as T[];
  };

/** `--flag`, `--flag=true` or `--flag=false`, in Go's spellings. @throws InvalidArgumentError */
export function boolean(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new InvalidArgumentError('Give true or false.');
}

/** A list with commas; the flag may be given often. */
export const names = (text: string, previous: string[]): string[] => (text === '' ? previous : [...previous, ...text.split(',')]);

/** A mode of the service proxy. @throws InvalidArgumentError */
export function proxyMode(text: string): ProxyMode {
  if (text === 'iptables' || text === 'nftables') return text;
  throw new InvalidArgumentError('Give iptables or nftables.');
}
