/** Security contexts of pods and containers. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { duplicate, forbiddenField, invalidValue, notSupported, required, tooLong } from '#api/field-error.ts';
import { isValidGroupId, isValidUserId } from '#api/names.ts';
import type { AppArmorProfile, PodSpec, SeccompProfile, SecurityContext, Sysctl } from '#api/types.generated.ts';
import { goShape } from '../go-shape.ts';
import { validateLocalDescendingPath } from '../paths.ts';
import type { Submitted } from '../submitted.ts';
import { validateWindowsOptions } from './operating-system.ts';

const SYSCTL_MAX_LENGTH = 253;
const sysctlPattern = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
const sysctlRegExp = new RegExp(sysctlPattern);
const MAX_APPARMOR_PROFILE = 4095;

const validateId = (id: number | undefined, check: (id: number) => string[], path: string): FieldError[] =>
  id === undefined ? [] : check(id).map((text) => invalidValue(path, id, text));

const validateChoice = (value: string | undefined, supported: readonly string[], path: string): FieldError[] =>
  value === undefined || supported.includes(value) ? [] : [notSupported(path, value, supported)];

/**
 * Problems of the pod's security context, sysctls and host namespaces included. Source: upstream `pkg/apis/core/validation`
 * (validatePodSpecSecurityContext).
 */
export function validatePodSecurityContext(spec: PodSpec, path: string): FieldError[] {
  const context = spec.securityContext;
  if (context === undefined) return [];
  const errors = [
    ...validateId(context.fsGroup, isValidGroupId, `${path}.fsGroup`),
    ...validateId(context.runAsUser, isValidUserId, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, isValidGroupId, `${path}.runAsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((id, index) =>
      validateId(id, isValidGroupId, `${path}.supplementalGroups[${index}]`),
    ),
  ];
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    errors.push(invalidValue(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'));
  }
  errors.push(
    ...validateSysctls(spec, `${path}.sysctls`),
    ...validateChoice(context.fsGroupChangePolicy, ['Always', 'OnRootMismatch'], `${path}.fsGroupChangePolicy`),
    ...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`),
    ...validateWindowsOptions(context.windowsOptions, `${path}.windowsOptions`),
    ...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`),
    ...validateChoice(context.supplementalGroupsPolicy, ['Merge', 'Strict'], `${path}.supplementalGroupsPolicy`),
    // The gate SELinuxMount is off in 1.36, so that only the behaviour without it may be asked for.
    ...validateChoice(context.seLinuxChangePolicy, ['Recursive'], `${path}.seLinuxChangePolicy`),
  );
  return errors;
}

function validateSysctls({ securityContext, hostNetwork, hostIPC }: PodSpec, path: string): FieldError[] {
  const seen = new Set<string>();
  return (securityContext?.sysctls ?? []).flatMap(({ name = '' }: Submitted<Sysctl>, index) => {
    const at = `${path}[${index}].name`;
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(at));
    else if (name.length > SYSCTL_MAX_LENGTH || !sysctlRegExp.test(name)) {
      errors.push(invalidValue(at, name, `must have at most ${SYSCTL_MAX_LENGTH} characters and match regex ${sysctlPattern}`));
    } else if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    const dotted = name.replaceAll('/', '.');
    if (hostNetwork === true && dotted.startsWith('net.'))
      errors.push(invalidValue(at, name, "may not be specified when 'hostNetwork' is true"));
    else if (hostIPC === true && /^(kernel\.(shm|msg|sem)|fs\.mqueue\.)/.test(dotted)) {
      errors.push(invalidValue(at, name, "may not be specified when 'hostIPC' is true"));
    }
    return errors;
  });
}

function validateSeccomp(profile: SeccompProfile | undefined, path: string): FieldError[] {
  if (profile === undefined) return [];
  const types = ['Localhost', 'RuntimeDefault', 'Unconfined'];
  const errors: FieldError[] = [];
  if (!profile.type) errors.push(required(`${path}.type`, 'type is required when seccompProfile is set'));
  else errors.push(...validateChoice(profile.type, types, `${path}.type`));
  const local = profile.localhostProfile;
  if (profile.type !== 'Localhost') {
    if (local !== undefined)
      errors.push(
        invalidValue(
          `${path}.localhostProfile`,
          goShape(profile, 'seccompProfile'),
          'can only be set when seccomp type is Localhost',
        ),
      );
  } else if (local === undefined) errors.push(required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost'));
  else errors.push(...validateLocalDescendingPath(local, `${path}.localhostProfile`));
  return errors;
}

function validateAppArmor(profile: AppArmorProfile | undefined, path: string): FieldError[] {
  if (profile === undefined) return [];
  const at = `${path}.localhostProfile`;
  const local = profile.localhostProfile;
  switch (profile.type) {
    case 'Localhost': {
      if (local === undefined || local === '') return [required(at, 'must be set when AppArmor type is Localhost')];
      const errors: FieldError[] = local.trim() === local ? [] : [invalidValue(at, local, 'must not be padded with whitespace')];
      if (local.length > MAX_APPARMOR_PROFILE) errors.push(tooLong(at, MAX_APPARMOR_PROFILE));
      return errors;
    }
    case 'RuntimeDefault':
    case 'Unconfined':
      return local === undefined ? [] : [invalidValue(at, local, 'can only be set when AppArmor type is Localhost')];
    case '':
    case undefined:
      return [required(`${path}.type`, 'type is required when appArmorProfile is set')];
    default:
      return [notSupported(`${path}.type`, profile.type, ['Localhost', 'RuntimeDefault', 'Unconfined'])];
  }
}

/** A container's own; `hostUsers` false puts the pod into a user namespace. */
export function validateSecurityContext(context: SecurityContext | undefined, hostUsers: boolean, path: string): FieldError[] {
  if (context === undefined) return [];
  const errors = [
    ...validateId(context.runAsUser, isValidUserId, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, isValidGroupId, `${path}.runAsGroup`),
    ...validateChoice(context.procMount, ['Default', 'Unmasked'], `${path}.procMount`),
  ];
  if (hostUsers && context.procMount === 'Unmasked') {
    errors.push(invalidValue(`${path}.procMount`, context.procMount, '`hostUsers` must be false to use `Unmasked`'));
  }
  errors.push(...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`));
  if (context.allowPrivilegeEscalation === false) {
    const shown = goShape(context, 'securityContext');
    if (context.privileged === true) {
      errors.push(invalidValue(path, shown, 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'));
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN') === true) {
      errors.push(
        invalidValue(path, shown, 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'),
      );
    }
  }
  return [
    ...errors,
    ...validateWindowsOptions(context.windowsOptions, `${path}.windowsOptions`),
    ...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`),
  ];
}

/** What a pod in its own user namespace may not share with the host. */
export function validateHostUsers(spec: PodSpec, path: string): FieldError[] {
  if (spec.hostUsers !== false) return [];
  const errors: FieldError[] = [];
  const text = 'when `hostUsers` is false';
  if (spec.hostNetwork === true) errors.push(forbiddenField(`${path}.hostNetwork`, text));
  if (spec.hostPID === true) errors.push(forbiddenField(`${path}.HostPID`, text));
  if (spec.hostIPC === true) errors.push(forbiddenField(`${path}.HostIPC`, text));
  return errors;
}
