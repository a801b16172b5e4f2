/** Versions: `semver("1.2.3")`. Source: apiserver `pkg/cel/library/semverlib.go`; semver.org 2.0.0; github.com/blang/semver. */
import { define, type Library, type Overload } from '../declarations.ts';
import { traverses } from '../runtime-cost.ts';
import { opaqueType } from '../types.ts';
import { CelError, Opaque, type Value } from '../values.ts';

interface Version {
  numbers: readonly [major: bigint, minor: bigint, patch: bigint];
  /** Prerelease identifiers. A version without them is greater. */
  prerelease: readonly string[];
  build: string;
}

class SemverValue extends Opaque {
  static readonly type = opaqueType('kubernetes.Semver');
  readonly typeName = SemverValue.type.name;
  readonly version: Version;
  constructor(version: Version) {
    super();
    this.version = version;
  }
  override equals(other: Opaque): boolean {
    return other instanceof SemverValue && compareVersions(this.version, other.version) === 0;
  }
}

const shape = /^([^.]*)\.([^.]*)\.([^+-]*)(?:-([^+]*))?(?:\+(.*))?$/s;

/** @throws CelError with the text of upstream's library */
function parse(text: string): Version {
  if (text === '') throw new CelError('Version string empty');
  const match = shape.exec(text);
  if (match === null) throw new CelError('No Major.Minor.Patch elements found');
  const [, major = '', minor = '', patch = '', prerelease, build] = match;
  const numbers = [number(major, 'major'), number(minor, 'minor'), number(patch, 'patch')] as const;
  const parts = prerelease === undefined ? [] : prerelease.split('.');
  for (const part of parts) checkPart(part, true);
  for (const part of build === undefined ? [] : build.split('.')) checkPart(part, false);
  return { numbers, prerelease: parts, build: build ?? '' };
}

function number(text: string, what: string): bigint {
  if (!/^\d+$/.test(text)) throw new CelError(`Invalid character(s) found in ${what} number ${JSON.stringify(text)}`);
  if (text.length > 1 && text.startsWith('0'))
    throw new CelError(
      `${what[0]?.toUpperCase()}${what.slice(1)} number must not contain leading zeroes ${JSON.stringify(text)}`,
    );
  const value = BigInt(text);
  if (value >= 2n ** 64n) throw new CelError(`strconv.ParseUint: parsing ${JSON.stringify(text)}: value out of range`);
  return value;
}

function checkPart(part: string, isPrerelease: boolean): void {
  if (part === '') throw new CelError(isPrerelease ? 'Prerelease is empty' : 'Build meta data is empty');
  if (!/^[0-9A-Za-z-]+$/.test(part))
    throw new CelError(
      `Invalid character(s) found in ${isPrerelease ? 'prerelease' : 'build meta data'} ${JSON.stringify(part)}`,
    );
  if (isPrerelease && /^0\d+$/.test(part))
    throw new CelError(`Numeric PreRelease version must not contain leading zeroes ${JSON.stringify(part)}`);
}

/** A version with `v` in front, missing numbers or leading zeros in its strict form. @throws CelError */
function normalized(text: string): string {
  const rest = text.replace(/^v/, '').split('.');
  const parts = rest.length > 3 ? [...rest.slice(0, 2), rest.slice(2).join('.')] : rest;
  const trimmed = parts.map((part) => (part.length > 1 ? part.replace(/^0+(?=\d)/, '') : part));
  if (trimmed.length < 3 && /[+-]/.test(trimmed.at(-1) as string))
    throw new CelError('short version cannot contain PreRelease/Build meta data');
  while (trimmed.length < 3) trimmed.push('0');
  return trimmed.join('.');
}

function compareVersions(a: Version, b: Version): number {
  for (const [index, value] of a.numbers.entries()) {
    const other = b.numbers[index] as bigint;
    if (value !== other) return value < other ? -1 : 1;
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) return Math.sign(b.prerelease.length - a.prerelease.length);
  for (const [index, part] of a.prerelease.entries()) {
    const other = b.prerelease[index];
    if (other === undefined) return 1;
    const order = comparePart(part, other);
    if (order !== 0) return order;
  }
  return a.prerelease.length < b.prerelease.length ? -1 : 0;
}

/** Compares prerelease identifiers: numeric ones come before others. */
function comparePart(a: string, b: string): number {
  const [aIsNumber, bIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1;
  const [left, right] = aIsNumber ? [BigInt(a), BigInt(b)] : [a, b];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Reads a version. @throws CelError */
export const semverOf = (text: string, normalize = false): SemverValue =>
  new SemverValue(parse(normalize ? normalized(text) : text));

function isSemver(text: string, normalize = false): boolean {
  try {
    semverOf(text, normalize);
    return true;
  } catch (error) {
    if (error instanceof CelError) return false;
    throw error;
  }
}

const order = (a: SemverValue, b: SemverValue): number => compareVersions(a.version, b.version);
const named = { Semver: SemverValue.type };
const on = (signature: string, call: (...args: never[]) => Value): Overload => define(signature, call, { named });
const reads = { named, cost: traverses(0) };

/** `semver()` and comparisons of versions. Source: apiserver `pkg/cel/library/semverlib.go`. */
export const semverLibrary: Library = [
  define('semver(string): Semver', (text: string) => semverOf(text), reads),
  define('semver(string, bool): Semver', semverOf, reads),
  define('isSemver(string): bool', (text: string) => isSemver(text), reads),
  define('isSemver(string, bool): bool', isSemver, reads),
  on('.isGreaterThan(Semver, Semver): bool', (a: SemverValue, b: SemverValue) => order(a, b) > 0),
  on('.isLessThan(Semver, Semver): bool', (a: SemverValue, b: SemverValue) => order(a, b) < 0),
  on('.compareTo(Semver, Semver): int', (a: SemverValue, b: SemverValue) => BigInt(order(a, b))),
  on('.major(Semver): int', ({ version }: SemverValue) => version.numbers[0]),
  on('.minor(Semver): int', ({ version }: SemverValue) => version.numbers[1]),
  on('.patch(Semver): int', ({ version }: SemverValue) => version.numbers[2]),
];
