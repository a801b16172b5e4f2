/** A pod's spec, alone or in a template. Source: upstream `pkg/apis/core/validation/validation.go`, ValidatePodSpec. */
import type { Check, FieldError } from '#api/field-error.ts';
import {
  allErrors,
  duplicate,
  fieldNotFound,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooLong,
} from '#api/field-error.ts';
import { validateLabels } from '#api/labels.ts';
import type { NameCheck } from '#api/names.ts';
import {
  inclusiveRangeText,
  isDns1123Label,
  isDns1123Subdomain,
  isDns1123SubdomainWithUnderscore,
  isQualifiedName,
  nameIsDnsSubdomain,
} from '#api/names.ts';
import type {
  HostAlias,
  PodDNSConfig,
  PodReadinessGate,
  PodResourceClaim,
  PodSchedulingGate,
  PodSpec,
  Volume,
} from '#api/types.generated.ts';
import { goShape } from '../go-shape.ts';
import { validateIp } from '../ip.ts';
import { type Submitted, submitted } from '../submitted.ts';
import { validateAffinity } from './affinity.ts';
import { type ContainerScope, containerChecks, validateEphemeralContainers, validateInitContainers } from './containers.ts';
import { validateHostProcess, validateOs } from './operating-system.ts';
import { validateOverhead, validatePodResources } from './resources.ts';
import { validateTolerations, validateTopologySpread } from './scheduling.ts';
import { validateHostUsers, validatePodSecurityContext } from './security-context.ts';
import { validateVolumes } from './volumes.ts';

const MAX_INT32 = 2 ** 31 - 1;
const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;
const MAX_HOSTNAME = 64;

/** `isPod` is false for templates, which may leave open what their pods must say. */
export const validatePodSpec = (spec: PodSpec, path: string, isPod: boolean): FieldError[] =>
  allErrors(podSpecChecks(spec, path, isPod));

/** The parts of {@link validatePodSpec}, to be done in this order. */
export function podSpecChecks(spec: PodSpec, path: string, isPod: boolean): Check[] {
  const claims = new Set((spec.resourceClaims ?? []).map(({ name }) => name).filter((name) => name));
  let scope: ContainerScope = { spec, volumes: new Map(), claims };
  return [
    () => {
      const { errors, byName: volumes } = validateVolumes(spec.volumes ?? [], `${path}.volumes`, isPod);
      scope = { spec, volumes, claims };
      const grace = spec.terminationGracePeriodSeconds === undefined ? [required(`${path}.terminationGracePeriodSeconds`)] : [];
      return [...grace, ...errors, ...validateResourceClaims(spec.resourceClaims ?? [], `${path}.resourceClaims`)];
    },
    ...containerChecks(spec, () => scope, `${path}.containers`),
    () => validateInitContainers(scope, `${path}.initContainers`),
    () => validateEphemeralContainers(scope, `${path}.ephemeralContainers`),
    () => validateRestOfSpec(spec, claims, path, isPod),
  ];
}

function validateRestOfSpec(spec: PodSpec, claims: ReadonlySet<string>, path: string, isPod: boolean): FieldError[] {
  return [
    ...validatePodResources(spec, claims, path),
    ...validateHostNetworkPorts(spec, path, isPod),
    ...validateChoice(spec.restartPolicy, ['Always', 'OnFailure', 'Never'], `${path}.restartPolicy`),
    ...validateChoice(spec.dnsPolicy, ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'], `${path}.dnsPolicy`),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validatePodSecurityContext(spec, `${path}.securityContext`),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateDnsConfig(spec.dnsConfig, spec.dnsPolicy, `${path}.dnsConfig`),
    ...(spec.readinessGates ?? []).flatMap(({ conditionType = '' }: Submitted<PodReadinessGate>, index) =>
      isQualifiedName(conditionType).map((text) =>
        invalidValue(`${path}.readinessGates[${index}].conditionType`, conditionType, text),
      ),
    ),
    ...validateSchedulingGates(spec, `${path}.schedulingGates`),
    ...validateTopologySpread(spec.topologySpreadConstraints ?? [], `${path}.topologySpreadConstraints`),
    ...validateHostProcess(spec, path),
    ...validateHostUsers(spec, path),
    ...validateHostnames(spec, path),
    ...validateNames(spec, path),
    ...validateTolerations(spec.tolerations ?? [], `${path}.tolerations`),
    ...validateHostAliases(spec.hostAliases ?? [], `${path}.hostAliases`),
    ...validateOverhead(spec.overhead, `${path}.overhead`),
    ...validateOs(spec, path),
    ...validateFileKeyVolumes(spec, path),
  ];
}

function validateChoice(value: string | undefined, supported: readonly string[], path: string): FieldError[] {
  if (value === undefined || value === '') return [required(path)];
  return supported.includes(value) ? [] : [notSupported(path, value, supported)];
}

function validateResourceClaims(claims: readonly PodResourceClaim[], path: string): FieldError[] {
  const names = new Set<string>();
  return claims.flatMap((claim, index) => {
    const at = `${path}[${index}]`;
    const { name = '', resourceClaimName, resourceClaimTemplateName } = submitted(claim);
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    else if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    else errors.push(...isDns1123Label(name).map((text) => invalidValue(`${at}.name`, name, text)));
    names.add(name);
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) {
      errors.push(
        invalidValue(
          at,
          goShape(claim, 'resourceClaim'),
          'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified',
        ),
      );
    } else if (resourceClaimName === undefined && resourceClaimTemplateName === undefined) {
      errors.push(
        invalidValue(
          at,
          goShape(claim, 'resourceClaim'),
          'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`',
        ),
      );
    }
    errors.push(...validateName(resourceClaimName, nameIsDnsSubdomain, `${at}.resourceClaimName`));
    return [...errors, ...validateName(resourceClaimTemplateName, nameIsDnsSubdomain, `${at}.resourceClaimTemplateName`)];
  });
}

/** On the host's network a container's port is the host's port. */
function validateHostNetworkPorts(
  { hostNetwork, containers = [] }: Submitted<PodSpec>,
  path: string,
  isPod: boolean,
): FieldError[] {
  if (hostNetwork !== true) return [];
  return containers.flatMap(({ ports = [] }, container) =>
    ports.flatMap(({ hostPort = 0, containerPort }, port) => {
      if (hostPort === containerPort || (!isPod && hostPort === 0)) return [];
      const at = `${path}.containers[${container}].ports[${port}].hostPort`;
      return [invalidValue(at, hostPort, 'must match `containerPort` when `hostNetwork` is true')];
    }),
  );
}

function validateDnsConfig(config: PodDNSConfig | undefined, policy: string | undefined, path: string): FieldError[] {
  if (config === undefined) return policy === 'None' ? [required(path, 'must provide `dnsConfig` when `dnsPolicy` is None')] : [];
  const { nameservers = [], searches = [], options = [] } = config;
  if (policy === 'None' && nameservers.length === 0) {
    return [required(`${path}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')];
  }
  const errors: FieldError[] = [];
  if (nameservers.length > MAX_NAMESERVERS) {
    errors.push(invalidValue(`${path}.nameservers`, nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`));
  }
  nameservers.forEach((server, index) => errors.push(...validateIp(server, `${path}.nameservers[${index}]`)));
  if (searches.length > MAX_SEARCHES) {
    errors.push(invalidValue(`${path}.searches`, searches, `must not have more than ${MAX_SEARCHES} search paths`));
  }
  if (searches.join(' ').length > MAX_SEARCH_CHARACTERS) {
    const text = `must not have more than ${MAX_SEARCH_CHARACTERS} characters (including spaces) in the search list`;
    errors.push(invalidValue(`${path}.searches`, searches, text));
  }
  searches.forEach((search, index) => {
    if (search === '.') return;
    const name = search.replace(/\.$/, '');
    errors.push(...isDns1123SubdomainWithUnderscore(name).map((text) => invalidValue(`${path}.searches[${index}]`, name, text)));
  });
  options.forEach(({ name }, index) => {
    if (!name) errors.push(required(`${path}.options[${index}]`, 'must not be empty'));
  });
  return errors;
}

function validateSchedulingGates({ schedulingGates = [] }: PodSpec, path: string): FieldError[] {
  const seen = new Set<string>();
  return schedulingGates.flatMap(({ name = '' }: Submitted<PodSchedulingGate>, index) => {
    const errors = isQualifiedName(name).map((text) => invalidValue(`${path}[${index}]`, name, text));
    if (seen.has(name)) errors.push(duplicate(`${path}[${index}]`, name));
    seen.add(name);
    return errors;
  });
}

function validateHostnames(spec: PodSpec, path: string): FieldError[] {
  const name = spec.hostnameOverride;
  if (name === undefined) return [];
  const at = `${path}.hostnameOverride`;
  const errors: FieldError[] = [];
  if (spec.setHostnameAsFQDN === true) errors.push(forbiddenField(at, 'may not be specified when setHostnameAsFQDN is true'));
  if (spec.hostNetwork === true) errors.push(forbiddenField(at, 'may not be specified when hostNetwork is true'));
  if (name.length > MAX_HOSTNAME) errors.push(tooLong(at, MAX_HOSTNAME));
  return [...errors, ...isDns1123Subdomain(name).map((text) => invalidValue(at, name, text))];
}

function validateName(name: string | undefined, check: NameCheck, path: string): FieldError[] {
  return name === undefined || name === '' ? [] : check(name, false).map((text) => invalidValue(path, name, text));
}

function validateNames(spec: PodSpec, path: string): FieldError[] {
  const deadline = spec.activeDeadlineSeconds;
  const errors = [
    ...validateName(spec.serviceAccountName, nameIsDnsSubdomain, `${path}.serviceAccountName`),
    ...validateName(spec.nodeName, nameIsDnsSubdomain, `${path}.nodeName`),
  ];
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32)) {
    errors.push(invalidValue(`${path}.activeDeadlineSeconds`, deadline, inclusiveRangeText(1, MAX_INT32)));
  }
  errors.push(
    ...validateName(spec.hostname, isDns1123Label, `${path}.hostname`),
    ...validateName(spec.subdomain, isDns1123Label, `${path}.subdomain`),
    ...validateName(spec.priorityClassName, nameIsDnsSubdomain, `${path}.priorityClassName`),
    // Not as the others: an empty name is none.
    ...(spec.runtimeClassName === undefined ? [] : nameIsDnsSubdomain(spec.runtimeClassName, false)).map((text) =>
      invalidValue(`${path}.runtimeClassName`, spec.runtimeClassName, text),
    ),
  );
  if (spec.preemptionPolicy !== undefined) {
    errors.push(...validateChoice(spec.preemptionPolicy, ['PreemptLowerPriority', 'Never'], `${path}.preemptionPolicy`));
  }
  return errors;
}

function validateHostAliases(aliases: readonly HostAlias[], path: string): FieldError[] {
  return aliases.flatMap(({ ip = '', hostnames = [] }: Submitted<HostAlias>, index) => [
    ...validateIp(ip, `${path}[${index}].ip`),
    ...hostnames.flatMap((name, host) =>
      isDns1123Subdomain(name).map((text) => invalidValue(`${path}[${index}].hostnames[${host}]`, name, text)),
    ),
  ]);
}

/** Environment read from files lives in emptyDir volumes. */
function validateFileKeyVolumes(spec: PodSpec, path: string): FieldError[] {
  const volumes = new Map((spec.volumes ?? []).map((volume): [string, Volume] => [volume.name, volume]));
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap(({ env = [] }, container) =>
      env.flatMap(({ valueFrom }, index) => {
        const name = valueFrom?.fileKeyRef?.volumeName;
        if (name === undefined) return [];
        const at = `${path}.${list}[${container}].env[${index}].valueFrom.fileKeyRef.volumeName`;
        const volume = volumes.get(name);
        if (volume === undefined) return [fieldNotFound(at, name)];
        return volume.emptyDir === undefined ? [invalidValue(at, name, 'referenced volume must be of type emptyDir')] : [];
      }),
    ),
  );
}
