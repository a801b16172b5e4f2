/**
 * Seccomp and AppArmor profiles in annotations, where they stood before there were fields for them.
 *
 * Source: upstream `pkg/apis/core/validation/validation.go` (ValidateSeccompPodAnnotations, ValidateAppArmorPodAnnotations,
 * validateSeccompAnnotationsAndFields, validateAppArmorAnnotationsAndFieldsMatchOnCreate).
 */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue } from '#api/field-error.ts';
import { ownValue } from '#api/own-value.ts';
import { allContainers } from '#api/pod/containers.ts';
import type { Container, Pod, PodSpec } from '#api/types.generated.ts';
import { validateLocalDescendingPath } from '../../../validation/paths.ts';

/** The old annotation of a container's AppArmor profile: the container's name follows. */
export const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';
const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompPrefix = 'container.seccomp.security.alpha.kubernetes.io/';
const localhost = 'localhost/';

type Annotations = Readonly<Record<string, string>>;

/**
 * Problems of seccomp and AppArmor profiles in annotations, and where they contradict the fields. Source: upstream
 * `pkg/apis/core/validation`.
 */
export function validateProfileAnnotations(annotations: Annotations, spec: PodSpec, path: string): FieldError[] {
  const names = new Set(Array.from(allContainers({ spec }), ({ container }) => container.name));
  return Object.entries(annotations).flatMap(([key, profile]): FieldError[] => {
    if (key === seccompPod || key.startsWith(seccompPrefix)) return validateSeccomp(profile, `${path}.${key}`);
    if (!key.startsWith(appArmorPrefix)) return [];
    const container = key.slice(appArmorPrefix.length);
    const at = `${path}[${key}]`;
    return [
      ...(names.has(container) ? [] : [invalidValue(at, container, 'container not found')]),
      ...(['', 'runtime/default', 'unconfined'].includes(profile) || profile.startsWith(localhost)
        ? []
        : [invalidValue(at, profile, `invalid AppArmor profile name: ${JSON.stringify(profile)}`)]),
    ];
  });
}

function validateSeccomp(profile: string, path: string): FieldError[] {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return [];
  return profile.startsWith(localhost)
    ? validateLocalDescendingPath(profile.slice(localhost.length), path)
    : [invalidValue(path, profile, 'must be a valid seccomp profile')];
}

/** On create: if both the annotation and the field are set, they must agree. */
export function validateProfilesMatch({ metadata: { annotations = {} }, spec }: Pod): FieldError[] {
  const containers = [...placedContainers(spec)];
  const matches = (what: Profile, annotation: string | undefined, profile: Given | undefined, path: string): FieldError[] =>
    annotation === undefined || profile === undefined ? [] : matching(what, annotation, profile, path);
  const pod = spec.securityContext;
  return [
    ...matches(seccomp, annotations[seccompPod], pod?.seccompProfile, 'spec.securityContext.seccompProfile'),
    ...containers.flatMap(({ container: { name, securityContext }, path }) =>
      matches(
        seccomp,
        ownValue(annotations, seccompPrefix + name),
        securityContext?.seccompProfile,
        `${path}.securityContext.seccompProfile`,
      ),
    ),
    ...(spec.os?.name === 'windows' ? [] : containers).flatMap(({ container: { name, securityContext }, path }) =>
      matches(
        appArmor,
        ownValue(annotations, appArmorPrefix + name),
        securityContext?.appArmorProfile ?? pod?.appArmorProfile,
        `${path}.securityContext.appArmorProfile`,
      ),
    ),
  ];
}

interface Profile {
  name: string;
  runtimeDefault: readonly string[];
}
const seccomp: Profile = { name: 'seccomp', runtimeDefault: ['runtime/default', 'docker/default'] };
const appArmor: Profile = { name: 'apparmor', runtimeDefault: ['runtime/default'] };

interface Given {
  type?: string | undefined;
  localhostProfile?: string | undefined;
}

function matching(
  { name, runtimeDefault }: Profile,
  annotation: string,
  { type, localhostProfile }: Given,
  path: string,
): FieldError[] {
  const fits =
    type === 'Unconfined'
      ? annotation === 'unconfined'
      : type === 'RuntimeDefault'
        ? runtimeDefault.includes(annotation)
        : type !== 'Localhost' || annotation.startsWith(localhost);
  if (!fits) return [forbiddenField(`${path}.type`, `${name} type in annotation and field must match`)];
  if (type !== 'Localhost' || annotation.slice(localhost.length) === localhostProfile) return [];
  return [forbiddenField(`${path}.localhostProfile`, `${name} profile in annotation and field must match`)];
}

/** All containers with their paths, in upstream's order. */
function* placedContainers(spec: PodSpec): Generator<{ container: Container; path: string }> {
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    for (const [index, container] of (spec[list] ?? []).entries()) yield { container, path: `spec.${list}[${index}]` };
}
