/**
 * What a pod may say for the system that it names, and the options of Windows.
 * Source: upstream `pkg/apis/core/validation/validation.go` (validateOS, validateLinux, validateWindows, validateWindowsHostProcessPod).
 */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1123Subdomain } from '#api/names.ts';
import type { Container, PodSpec, WindowsSecurityContextOptions } from '#api/types.generated.ts';

/**
 * Problems of `os.name`, and of fields that the named system does not have. Source: upstream `pkg/apis/core/validation`
 * (validateOS, validateWindows, validateLinux).
 */
export function validateOs(spec: PodSpec, path: string): FieldError[] {
  const { os } = spec;
  if (os === undefined) return [];
  if (!os.name) return [required(`${path}.os.name`)];
  if (os.name === 'linux') return validateLinux(spec, path);
  return os.name === 'windows' ? validateWindows(spec, path) : [notSupported(`${path}.os`, os.name, ['linux', 'windows'])];
}

interface Placed {
  container: Container;
  path: string;
}

/** In the order in which upstream visits them. */
function placed(spec: PodSpec, path: string): Placed[] {
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({ container, path: `${path}.${list}[${index}]` })),
  );
}

function validateLinux(spec: PodSpec, path: string): FieldError[] {
  return [{ container: spec, path }, ...placed(spec, path)].flatMap(({ container, path: at }) =>
    container.securityContext?.windowsOptions === undefined
      ? []
      : [forbiddenField(`${at}.securityContext.windowsOptions`, 'windows options cannot be set for a linux pod')],
  );
}

/** Fields of a pod that are no use on Windows, in upstream's order. */
const ofPods = [
  'securityContext.appArmorProfile',
  'securityContext.seLinuxOptions',
  'hostUsers',
  'hostPID',
  'hostIPC',
  'securityContext.seccompProfile',
  'securityContext.fsGroup',
  'securityContext.fsGroupChangePolicy',
  'securityContext.sysctls',
  'shareProcessNamespace',
  'securityContext.runAsUser',
  'securityContext.runAsGroup',
  'securityContext.supplementalGroups',
  'securityContext.supplementalGroupsPolicy',
  'securityContext.seLinuxChangePolicy',
];
const ofContainers = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
].map((field) => `securityContext.${field}`);

function validateWindows(spec: PodSpec, path: string): FieldError[] {
  const forbidden = (owner: object, fields: readonly string[], at: string): FieldError[] =>
    fields
      .filter((field) => isSet(owner, field))
      .map((field) => forbiddenField(`${at}.${field}`, 'cannot be set for a windows pod'));
  return [
    ...forbidden(spec, ofPods, path),
    ...placed(spec, path).flatMap(({ container, path: at }) => forbidden(container, ofContainers, at)),
  ];
}

/** `hostPID` and `hostIPC` are no pointers upstream, and an empty list of sysctls is none: false and empty are not set. */
function isSet(owner: object, field: string): boolean {
  const value = field.split('.').reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], owner);
  if (field === 'hostPID' || field === 'hostIPC') return value === true;
  return value !== undefined && !(field.endsWith('.sysctls') && (value as unknown[]).length === 0);
}

/** All containers of a pod run in the host's processes, or none does. */
export function validateHostProcess(spec: PodSpec, path: string): FieldError[] {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  const containers = placed(spec, path);
  const errors: FieldError[] = [];
  let count = 0;
  for (const { container, path: at } of containers) {
    const own = container.securityContext?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && own !== undefined && own !== ofPod) {
      const text = `pod hostProcess value must be identical if both are specified, was ${ofPod}`;
      errors.push(invalidValue(`${at}.securityContext.windowsOptions.hostProcess`, own, text));
    }
    if (own ?? ofPod ?? false) count += 1;
  }
  if (count === 0) return errors;
  if (count !== containers.length) {
    const text = 'If pod contains any hostProcess containers then all containers must be HostProcess containers';
    errors.push(invalidValue(path, '', text));
  }
  if (spec.hostNetwork !== true)
    errors.push(
      invalidValue(`${path}.hostNetwork`, false, 'hostNetwork must be true if pod contains any hostProcess containers'),
    );
  return errors;
}

const MAX_CREDENTIAL_KIB = 64;
const MAX_DOMAIN = 256;
const MAX_USER = 104;
const netBios = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const dnsName = /^[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*$/;

/**
 * Problems of `windowsOptions`: length of the credential spec, form of the user name. Source: upstream `pkg/apis/core/validation`
 * (validateWindowsSecurityContextOptions).
 */
export function validateWindowsOptions(options: WindowsSecurityContextOptions | undefined, path: string): FieldError[] {
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: credential, runAsUserName: user } = options ?? {};
  const at = `${path}.gmsaCredentialSpec`;
  return [
    ...(name === undefined
      ? []
      : isDns1123Subdomain(name).map((text) => invalidValue(`${path}.gmsaCredentialSpecName`, name, text))),
    ...(credential === '' ? [invalidValue(at, credential, 'gmsaCredentialSpec cannot be an empty string')] : []),
    ...(Buffer.byteLength(credential ?? '') > MAX_CREDENTIAL_KIB * 1024
      ? [invalidValue(at, credential, `gmsaCredentialSpec size must be under ${MAX_CREDENTIAL_KIB} KiB`)]
      : []),
    ...(user === undefined
      ? []
      : userProblems(user).map((text) => invalidValue(`${path}.runAsUserName`, user, `runAsUserName${text}`))),
  ];
}

/** Of `user` or `DOMAIN\user`. */
function userProblems(name: string): string[] {
  if (name === '') return [' cannot be an empty string'];
  if (Buffer.from(name).some((byte) => byte < 0x20 || byte === 0x7f)) return [' cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return [' cannot contain more than one backslash'];
  const user = parts.at(-1) ?? '';
  const domain = parts.length === 2 ? parts[0] : undefined;
  const problems: string[] = [];
  if (Buffer.byteLength(domain ?? '') >= MAX_DOMAIN) problems.push(`'s Domain length must be under ${MAX_DOMAIN} characters`);
  if (domain !== undefined && !netBios.test(domain) && !dnsName.test(domain))
    problems.push("'s Domain doesn't match the NetBios nor the DNS format");
  if (user === '') problems.push("'s User cannot be empty");
  else if (Buffer.byteLength(user) > MAX_USER) problems.push(`'s User length must not be longer than ${MAX_USER} characters`);
  if (/^[. ]+$/.test(user)) problems.push("'s User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) problems.push(`'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]`);
  return problems;
}
