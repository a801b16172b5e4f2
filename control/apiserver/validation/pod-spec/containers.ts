/** Containers of a pod: regular, init and ephemeral. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { Check, FieldError } from '#api/field-error.ts';
import { duplicate, fieldNotFound, forbiddenField, invalidValue, notSupported, required, tooMany } from '#api/field-error.ts';
import { isDns1123Label } from '#api/names.ts';
import type { Container, ContainerRestartRule, EphemeralContainer, PodSpec, Volume } from '#api/types.generated.ts';
import { type Submitted, submitted } from '../submitted.ts';
import { validateEnv, validateEnvFrom } from './env.ts';
import { validateContainerPorts, validateHostPortConflicts } from './ports.ts';
import { validateLifecycle, validateProbe } from './probes.ts';
import { validateContainerResources, validateResizePolicy } from './resources.ts';
import { validateSecurityContext } from './security-context.ts';
import { validateVolumeDevices, validateVolumeMounts } from './volume-mounts.ts';

/** What the checks of a container need to know of its pod. */
export interface ContainerScope {
  spec: PodSpec;
  /** The pod's valid volumes by name. */
  volumes: ReadonlyMap<string, Volume>;
  /** The names of the pod's resource claims. */
  claims: ReadonlySet<string>;
}

const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
const restartPolicies = ['Always', 'Never', 'OnFailure'];
const probeNames = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const MAX_RESTART_RULES = 20;
const MAX_EXIT_CODES = 255;

function validateCommon(
  container: Container | EphemeralContainer,
  { spec, volumes, claims }: ContainerScope,
  path: string,
): FieldError[] {
  const { name = '', image = '', imagePullPolicy: pull = '', terminationMessagePolicy: message = '' } = submitted(container);
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`));
  else errors.push(...isDns1123Label(name).map((text) => invalidValue(`${path}.name`, name, text)));
  if (image === '') errors.push(required(`${path}.image`));
  if (message === '') errors.push(required(`${path}.terminationMessagePolicy`));
  else if (message !== 'File' && message !== 'FallbackToLogsOnError') {
    errors.push(notSupported(`${path}.terminationMessagePolicy`, message, ['File', 'FallbackToLogsOnError']));
  }
  errors.push(
    ...validateContainerPorts(container.ports ?? [], `${path}.ports`),
    ...validateEnv(container.env ?? [], `${path}.env`),
    ...validateEnvFrom(container.envFrom ?? [], `${path}.envFrom`),
    ...validateVolumeMounts(container, volumes, `${path}.volumeMounts`),
    ...validateVolumeDevices(container, volumes, `${path}.volumeDevices`),
  );
  if (pull === '') errors.push(required(`${path}.imagePullPolicy`));
  else if (!pullPolicies.includes(pull)) errors.push(notSupported(`${path}.imagePullPolicy`, pull, pullPolicies));
  errors.push(
    ...validateContainerResources(container.resources, claims, `${path}.resources`),
    ...validateResizePolicy(container.resizePolicy ?? [], spec.restartPolicy, `${path}.resizePolicy`),
    ...validateSecurityContext(container.securityContext, spec.hostUsers !== false, `${path}.securityContext`),
  );
  return errors;
}

/** Number of containers checked in one step, which takes about ten milliseconds. */
const containersPerCheck = 1_000;

/** The checks of the regular containers. @param scopeOf is called when the checks before these are done */
export function containerChecks(spec: PodSpec, scopeOf: () => ContainerScope, path: string): Check[] {
  const containers = spec.containers ?? [];
  if (containers.length === 0) return [() => [required(path)]];
  const names = new Set<string>();
  const checks: Check[] = [];
  for (let from = 0; from < containers.length; from += containersPerCheck) {
    const part = containers.slice(from, from + containersPerCheck);
    checks.push(() =>
      part.flatMap((container, index) => validateContainer(container, scopeOf(), names, `${path}[${from + index}]`)),
    );
  }
  return [...checks, () => validateHostPortConflicts(containers, path)];
}

/** @param names of the containers before it; its own is added */
function validateContainer(container: Container, scope: ContainerScope, names: Set<string>, path: string): FieldError[] {
  const own = validateCommon(container, scope, path);
  if (names.has(container.name)) own.push(duplicate(`${path}.name`, container.name));
  names.add(container.name);
  return [...own, ...validateHooks(container, scope.spec, path), ...validateRestartPolicy(container, path)];
}

function validateHooks(container: Container, { terminationGracePeriodSeconds: grace, os }: PodSpec, path: string): FieldError[] {
  const lifecycle =
    container.lifecycle === undefined ? [] : validateLifecycle(container.lifecycle, grace, os, `${path}.lifecycle`);
  return [...lifecycle, ...probeNames.flatMap((name) => validateProbe(name, container[name], grace, `${path}.${name}`))];
}

/** A container's own restart policy and rules (KEP-5307). */
function validateRestartPolicy({ restartPolicy, restartPolicyRules: rules = [] }: Container, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (restartPolicy === undefined) {
    if (rules.length === 0) return errors;
    errors.push(required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used'));
  } else if (!restartPolicies.includes(restartPolicy)) {
    errors.push(notSupported(`${path}.restartPolicy`, restartPolicy, restartPolicies));
  }
  if (rules.length > MAX_RESTART_RULES) errors.push(tooMany(`${path}.restartPolicyRules`, rules.length, MAX_RESTART_RULES));
  rules.forEach((rule, index) => errors.push(...validateRestartRule(rule, `${path}.restartPolicyRules[${index}]`)));
  return errors;
}

function validateRestartRule({ action = '', exitCodes }: Submitted<ContainerRestartRule>, path: string): FieldError[] {
  const actions = ['Restart', 'RestartAllContainers'];
  const errors: FieldError[] = actions.includes(action) ? [] : [notSupported(`${path}.action`, action, actions)];
  if (exitCodes === undefined) return [...errors, required(`${path}.exitCodes`, 'must be specified')];
  const operators = ['In', 'NotIn'];
  if (!operators.includes(exitCodes.operator))
    errors.push(notSupported(`${path}.exitCodes.operator`, exitCodes.operator, operators));
  const count = exitCodes.values?.length ?? 0;
  if (count > MAX_EXIT_CODES) errors.push(tooMany(`${path}.exitCodes.values`, count, MAX_EXIT_CODES));
  return errors;
}

/** Init containers; with `restartPolicy: Always` they are sidecars and may have probes and hooks. */
export function validateInitContainers(scope: ContainerScope, path: string): FieldError[] {
  const names = new Set((scope.spec.containers ?? []).map(({ name }) => name));
  return (scope.spec.initContainers ?? []).flatMap((container, index) => {
    const at = `${path}[${index}]`;
    const errors = [...validateCommon(container, scope, at), ...validateRestartPolicy(container, at)];
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    else if (container.name) names.add(container.name);
    errors.push(...validateHostPortConflicts([container], path));
    if (container.restartPolicy === 'Always') return [...errors, ...validateHooks(container, scope.spec, at)];
    for (const name of ['lifecycle', ...probeNames] as const) {
      if (container[name] !== undefined) {
        errors.push(forbiddenField(`${at}.${name}`, 'may not be set for init containers without restartPolicy=Always'));
      }
    }
    container.resizePolicy?.forEach(({ restartPolicy }, policy) => {
      if (restartPolicy === 'RestartContainer') {
        const text = "must not be set to 'RestartContainer' for non-sidecar initContainers";
        errors.push(invalidValue(`${at}.resizePolicy[${policy}].restartPolicy`, restartPolicy, text));
      }
    });
    return errors;
  });
}

const forbiddenForEphemeral = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const;

/**
 * Problems of ephemeral containers, which may have no ports, probes or resources. Source: upstream `pkg/apis/core/validation`
 * (validateEphemeralContainers).
 */
export function validateEphemeralContainers(scope: ContainerScope, path: string): FieldError[] {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = submitted(scope.spec);
  const others = new Set([...containers, ...initContainers].map(({ name }) => name));
  const names = new Set(others);
  return ephemeralContainers.flatMap((container, index) => {
    const at = `${path}[${index}]`;
    const text = 'cannot be set for an Ephemeral Container';
    const errors = [...validateCommon(container, scope, at), ...validateImageSpaces(container.image, `${at}.image`)];
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name));
    names.add(container.name);
    const target = container.targetContainerName;
    if (target && !others.has(target)) errors.push(fieldNotFound(`${at}.targetContainerName`, target));
    for (const name of forbiddenForEphemeral) if (isSet(container[name])) errors.push(forbiddenField(`${at}.${name}`, text));
    container.volumeMounts?.forEach((mount, mountIndex) => {
      if (mount.subPath) errors.push(forbiddenField(`${at}.volumeMounts[${mountIndex}].subPath`, text));
      if (mount.subPathExpr) errors.push(forbiddenField(`${at}.volumeMounts[${mountIndex}].subPathExpr`, text));
    });
    return errors;
  });
}

/** Empty lists and objects are what the defaults may have put there. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== '' && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}

/** Pods refuse what templates accept: an image name with spaces around it. */
export function validateImageSpaces(image: string | undefined, path: string): FieldError[] {
  if (image === undefined || image.trim() === image) return [];
  return [invalidValue(path, image, 'must not have leading or trailing whitespace')];
}
