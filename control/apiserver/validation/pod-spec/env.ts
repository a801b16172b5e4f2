/** Environment variables of containers. Source: upstream `pkg/apis/core/validation/validation.go`. */
import type { FieldError } from '#api/field-error.ts';
import { invalidValue, notSupported, required } from '#api/field-error.ts';
import { isConfigMapKey, isDns1123Label, isQualifiedName, isRelaxedEnvVarName, nameIsDnsSubdomain } from '#api/names.ts';
import type { EnvFromSource, EnvVar, FileKeySelector, ObjectFieldSelector, ResourceFieldSelector } from '#api/types.generated.ts';
import { validateNoBacksteps } from '../paths.ts';
import type { Submitted } from '../submitted.ts';

/** Fields that `env` may name; volumes may name others. */
const envFieldPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
/** Fields that exist for the downward API at all (upstream's ConvertDownwardAPIFieldLabel). */
const downwardFields = new Set([
  ...envFieldPaths,
  'metadata.annotations',
  'metadata.labels',
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);
const containerResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const byteDivisors = [
  '1',
  ...['', 'i'].flatMap((i) => ['K', 'M', 'G', 'T', 'P', 'E'].map((unit) => `1${i === '' && unit === 'K' ? 'k' : unit}${i}`)),
];

/** Problems of `env`: names, and sources of values. Source: upstream `pkg/apis/core/validation` (ValidateEnv). */
export function validateEnv(variables: readonly EnvVar[], path: string): FieldError[] {
  return variables.flatMap((variable, index) => {
    const at = `${path}[${index}]`;
    const name = variable.name ?? '';
    return [
      ...(name === ''
        ? [required(`${at}.name`)]
        : isRelaxedEnvVarName(name).map((text) => invalidValue(`${at}.name`, name, text))),
      ...validateValueFrom(variable, `${at}.valueFrom`),
    ];
  });
}

function validateValueFrom({ value, valueFrom }: EnvVar, path: string): FieldError[] {
  if (valueFrom === undefined) return [];
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  const errors: FieldError[] = [];
  if (fieldRef !== undefined) errors.push(...validateFieldRef(fieldRef, envFieldPaths, `${path}.fieldRef`));
  if (resourceFieldRef !== undefined)
    errors.push(...validateResourceFieldRef(resourceFieldRef, `${path}.resourceFieldRef`, false));
  if (configMapKeyRef !== undefined) errors.push(...validateKeyRef(configMapKeyRef, `${path}.configMapKeyRef`));
  if (secretKeyRef !== undefined) errors.push(...validateKeyRef(secretKeyRef, `${path}.secretKeyRef`));
  if (fileKeyRef !== undefined) errors.push(...validateFileKeyRef(fileKeyRef, `${path}.fileKeyRef`));
  const sources = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(
    (source) => source !== undefined,
  );
  if (sources.length === 0) {
    const text = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';
    errors.push(invalidValue(path, '', text));
  } else if (value !== undefined && value !== '') {
    errors.push(invalidValue(path, '', 'may not be specified when `value` is not empty'));
  } else if (sources.length > 1) {
    errors.push(invalidValue(path, '', 'may not have more than one field specified at a time'));
  }
  return errors;
}

/** A reference to a field of the pod; `allowed` in the order that messages print (sorted). */
export function validateFieldRef(
  { apiVersion, fieldPath }: ObjectFieldSelector,
  allowed: readonly string[],
  path: string,
): FieldError[] {
  if (!apiVersion) return [required(`${path}.apiVersion`)];
  if (!fieldPath) return [required(`${path}.fieldPath`)];
  const bad = (why: string): FieldError[] => [invalidValue(`${path}.fieldPath`, fieldPath, `error converting fieldPath: ${why}`)];
  if (apiVersion !== 'v1') return bad(`unsupported pod version: ${apiVersion}`);
  const subscripted = /^(.*?)\['(.*)'\]$/.exec(fieldPath);
  if (subscripted !== null) {
    const [, field = '', key = ''] = subscripted;
    if (field === 'metadata.annotations')
      return isQualifiedName(key.toLowerCase()).map((text) => invalidValue(path, key.toLowerCase(), text));
    if (field === 'metadata.labels') return isQualifiedName(key).map((text) => invalidValue(path, key, text));
    return bad(`field label does not support subscript: ${fieldPath}`);
  }
  const label = fieldPath === 'spec.host' ? 'spec.nodeName' : fieldPath;
  if (!downwardFields.has(label)) return bad(`field label not supported: ${fieldPath}`);
  return allowed.includes(label) ? [] : [notSupported(`${path}.fieldPath`, label, allowed)];
}

/** A reference to a container's requests or limits; in a volume it must name the container. */
export function validateResourceFieldRef(
  reference: Submitted<ResourceFieldSelector>,
  path: string,
  inVolume: boolean,
): FieldError[] {
  const { containerName, resource = '', divisor } = reference;
  const errors: FieldError[] = [];
  const hugePages = /^(requests|limits)\.hugepages-/.test(resource);
  if (inVolume && !containerName) errors.push(required(`${path}.containerName`));
  else if (resource === '') errors.push(required(`${path}.resource`));
  else if (!containerResources.includes(resource) && !hugePages)
    errors.push(notSupported(`${path}.resource`, resource, containerResources));
  const text = String(divisor ?? '0');
  if (text === '0') return errors;
  const bytes = byteDivisors.join(', ');
  if (resource.endsWith('.cpu')) {
    if (text !== '1m' && text !== '1') {
      errors.push(
        invalidValue(`${path}.divisor`, resource, "only divisor's values 1m and 1 are supported with the cpu resource"),
      );
    }
    return errors;
  }
  if (byteDivisors.includes(text)) return errors;
  const what = resource.endsWith('.memory')
    ? 'memory'
    : resource.endsWith('.ephemeral-storage')
      ? 'local ephemeral storage'
      : hugePages
        ? 'hugepages'
        : undefined;
  if (what !== undefined) {
    errors.push(
      invalidValue(`${path}.divisor`, resource, `only divisor's values ${bytes} are supported with the ${what} resource`),
    );
  }
  return errors;
}

/** A key of a ConfigMap or Secret. */
function validateKeyRef({ name = '', key }: { name?: string | undefined; key: string }, path: string): FieldError[] {
  const errors = nameIsDnsSubdomain(name, false).map((text) => invalidValue(`${path}.name`, name, text));
  if (!key) return [...errors, required(`${path}.key`)];
  return [...errors, ...isConfigMapKey(key).map((text) => invalidValue(`${path}.key`, key, text))];
}

function validateFileKeyRef({ key, volumeName, path: file }: FileKeySelector, path: string): FieldError[] {
  return [
    ...(key ? isRelaxedEnvVarName(key).map((text) => invalidValue(`${path}.key`, key, text)) : [required(`${path}.key`)]),
    ...(volumeName
      ? isDns1123Label(volumeName).map((text) => invalidValue(`${path}.volumeName`, volumeName, text))
      : [required(`${path}.volumeName`)]),
    ...(file ? validateNoBacksteps(file, `${path}.path`) : [required(`${path}.path`)]),
  ];
}

/** Problems of `envFrom`: prefix, and exactly one source. Source: upstream `pkg/apis/core/validation` (ValidateEnvFrom). */
export function validateEnvFrom(sources: readonly EnvFromSource[], path: string): FieldError[] {
  return sources.flatMap(({ prefix, configMapRef, secretRef }, index) => {
    const at = `${path}[${index}]`;
    const errors: FieldError[] = [];
    if (prefix) errors.push(...isRelaxedEnvVarName(prefix).map((text) => invalidValue(`${at}.prefix`, prefix, text)));
    if (configMapRef !== undefined) errors.push(...validateSourceName(configMapRef.name, `${at}.configMapRef.name`));
    if (secretRef !== undefined) errors.push(...validateSourceName(secretRef.name, `${at}.secretRef.name`));
    if (configMapRef === undefined && secretRef === undefined) {
      errors.push(invalidValue(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
    } else if (configMapRef !== undefined && secretRef !== undefined) {
      errors.push(invalidValue(path, '', 'may not have more than one field specified at a time'));
    }
    return errors;
  });
}

function validateSourceName(name: string | undefined, path: string): FieldError[] {
  if (!name) return [required(path)];
  return nameIsDnsSubdomain(name, true).map((text) => invalidValue(path, name, text));
}
