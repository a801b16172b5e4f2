/** PodSecurityConfiguration. Source: upstream `k8s.io/pod-security-admission/admission/api` (v1, validation, defaults). */
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import type { Shape } from '#api/config-shape.ts';
import { duplicate, type FieldError, invalidValue } from '#api/field-error.ts';
import { isDns1123Label, isDns1123Subdomain } from '#api/names.ts';
import { isLevel, type LevelVersion, type Policy, parseVersion } from '../plugins/pod-security/policy.ts';
import type { PodSecurityOptions } from '../plugins/pod-security.ts';
import { AdmissionConfigurationError } from './problem.ts';

const modes = ['enforce', 'audit', 'warn'] as const;
const names: Shape = { list: 'string' };
const kind: ConfigFileKind = {
  kind: 'PodSecurityConfiguration',
  apiVersions: ['v1', 'v1beta1', 'v1alpha1'].map((version) => `pod-security.admission.config.k8s.io/${version}`),
  problem: AdmissionConfigurationError,
  shape: {
    fields: {
      apiVersion: 'string',
      kind: 'string',
      defaults: {
        fields: Object.fromEntries(
          modes.flatMap((mode) => [
            [mode, 'string'],
            [`${mode}-version`, 'string'],
          ]),
        ),
      },
      exemptions: { fields: { usernames: names, namespaces: names, runtimeClasses: names } },
    },
  },
};

interface Written {
  defaults?: Record<string, string>;
  exemptions?: { usernames?: string[]; namespaces?: string[]; runtimeClasses?: string[] };
}

/** @throws AdmissionConfigurationError */
export function readPodSecurity(text: string): PodSecurityOptions {
  const { defaults = {}, exemptions = {} } = readConfigFile(text, kind) as Written;
  const errors: FieldError[] = [];
  const read = (mode: (typeof modes)[number]): LevelVersion => {
    const level = defaults[mode] || 'privileged';
    const version = defaults[`${mode}-version`] || 'latest';
    const parsed = parseVersion(version);
    if (!isLevel(level)) errors.push(invalidValue(`defaults.${mode}`, level, 'must be one of privileged, baseline, restricted'));
    if (parsed === undefined) errors.push(invalidValue(`defaults.${mode}-version`, version, 'must be "latest" or "v1.x"'));
    return { level: isLevel(level) ? level : 'restricted', version: parsed ?? Number.POSITIVE_INFINITY };
  };
  const policy: Policy = { enforce: read('enforce'), warn: read('warn'), audit: read('audit') };
  const { usernames = [], namespaces = [], runtimeClasses = [] } = exemptions;
  errors.push(
    ...checkEach(namespaces, 'exemptions.namespaces', isDns1123Label),
    ...checkEach(usernames, 'exemptions.usernames', (name) => (name === '' ? ['username must not be empty'] : [])),
    ...checkEach(runtimeClasses, 'exemptions.runtimeClasses', isDns1123Subdomain),
  );
  if (errors.length > 0) throw new AdmissionConfigurationError(aggregate(errors));
  return { defaults: policy, exemptions: { usernames, namespaces, runtimeClasses } };
}

function checkEach(list: readonly string[], path: string, problemsOf: (name: string) => readonly string[]): FieldError[] {
  return list.flatMap((name, index) => {
    const problems = problemsOf(name);
    const at = `${path}[${index}]`;
    if (problems.length > 0) return [invalidValue(at, name, problems.join(', '))];
    return list.indexOf(name) < index ? [duplicate(at, name)] : [];
  });
}
