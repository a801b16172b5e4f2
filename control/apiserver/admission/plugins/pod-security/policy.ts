/**
 * The policy of a namespace from its labels: a level and a version for each of three modes.
 *
 * Source: kubernetes.io, Pod Security Admission; upstream `k8s.io/pod-security-admission/api`. Pure.
 */
import { type FieldError, invalidValue } from '#api/field-error.ts';
import { ownValue } from '#api/own-value.ts';

/** From the most permissive to the strictest. */
const levels = ['privileged', 'baseline', 'restricted'] as const;
/** A level of the Pod Security Standards. */
export type Level = (typeof levels)[number];

/** Whether it is the name of a level. */
export const isLevel = (text: string): text is Level => levels.some((level) => level === text);

/** A level, and the version of the standards. */
export interface LevelVersion {
  level: Level;
  /** The minor version: 35 for `v1.35`; Infinity for `latest`. */
  version: number;
}

/** `enforce` refuses, `warn` tells the client, `audit` the audit log. */
export interface Policy {
  enforce: LevelVersion;
  audit: LevelVersion;
  warn: LevelVersion;
}

const modes = ['enforce', 'audit', 'warn'] as const;
const prefix = 'pod-security.kubernetes.io/';
const latest = { level: 'privileged', version: Number.POSITIVE_INFINITY } as const;

/** The defaults for missing labels. */
export const defaultPolicy: Policy = { enforce: latest, audit: latest, warn: latest };

/** `baseline:v1.30`, `restricted:latest`. */
export const policyText = ({ level, version }: LevelVersion): string =>
  `${level}:${version === Number.POSITIVE_INFINITY ? 'latest' : `v1.${version}`}`;

/** Greater than zero: `a` is stricter. */
export const compareLevels = (a: Level, b: Level): number => levels.indexOf(a) - levels.indexOf(b);

/** Whether both are the same. */
export const sameLevelVersion = (a: LevelVersion, b: LevelVersion): boolean => a.level === b.level && a.version === b.version;

/** Whether all modes are `privileged`. */
export const isPrivileged = (policy: Policy): boolean => modes.every((mode) => policy[mode].level === 'privileged');

/** The policy of labels. An invalid value counts as the strictest level in mode enforce, and as privileged in the others. */
export function policyOf(
  labels: Readonly<Record<string, string>> = {},
  defaults: Policy = defaultPolicy,
): { policy: Policy; errors: FieldError[] } {
  const errors: FieldError[] = [];
  const policy = { ...defaults };
  const isLevelSet = { enforce: false, audit: false, warn: false };
  for (const mode of modes) {
    const read = { ...defaults[mode] };
    const level = ownValue(labels, `${prefix}${mode}`);
    if (level !== undefined) {
      const known = levels.find((one) => one === level);
      // The enforced level does not replace an invalid warn level.
      isLevelSet[mode] = mode === 'warn' || known !== undefined;
      read.level = known ?? (mode === 'enforce' ? 'restricted' : 'privileged');
      if (known === undefined) errors.push(labelError(mode, level, `must be one of ${levels.join(', ')}`));
    }
    const version = ownValue(labels, `${prefix}${mode}-version`);
    if (version !== undefined) {
      const parsed = parseVersion(version);
      read.version = parsed ?? Number.POSITIVE_INFINITY;
      if (parsed === undefined) errors.push(labelError(`${mode}-version`, version, 'must be "latest" or "v1.x"'));
    }
    policy[mode] = read;
  }
  const { enforce, warn } = policy;
  if (!isLevelSet.warn && isLevelSet.enforce && compareLevels(enforce.level, warn.level) > 0) {
    const ownVersion = ownValue(labels, `${prefix}warn-version`) !== undefined;
    policy.warn = { level: enforce.level, version: ownVersion ? warn.version : enforce.version };
  }
  return { policy, errors };
}

const labelError = (label: string, value: string, why: string): FieldError =>
  invalidValue(`metadata.labels[${prefix}${label}]`, value, why);

/** `latest` or `v1.x`, as in {@link LevelVersion.version}; undefined if it is neither. */
export function parseVersion(text: string): number | undefined {
  if (text === 'latest') return Number.POSITIVE_INFINITY;
  const match = /^v1\.(\d|[1-9]\d*)$/.exec(text);
  const minor = Number(match?.[1]);
  return Number.isSafeInteger(minor) ? minor : undefined;
}

/** The modes that the labels set, for the warning about an exempt namespace. */
export function labelledModes(policy: Policy, labels: Readonly<Record<string, string>> = {}): string {
  const isLabelled = (mode: string): boolean =>
    Object.hasOwn(labels, `${prefix}${mode}`) || Object.hasOwn(labels, `${prefix}${mode}-version`);
  return modes
    .filter((mode) => policy[mode].level !== 'privileged' && isLabelled(mode))
    .map((mode) => `${mode}=${policyText(policy[mode])}`)
    .join(', ');
}

/** Whether both are equivalent. Versions of `privileged` do not matter. */
export const isEquivalent = (a: Policy, b: Policy): boolean =>
  modes.every((mode) => {
    const [one, other] = [a[mode], b[mode]];
    return one.level === other.level && (one.level === 'privileged' || one.version === other.version);
  });
