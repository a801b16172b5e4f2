/**
 * The environment of a container: Services, envFrom, then env with references and `$(VAR)` expansion.
 *
 * Source: upstream `pkg/kubelet/kubelet_pods.go` (makeEnvironmentVariables): precedence and messages.
 */
import { ownValue } from '#api/own-value.ts';
import { allContainers } from '#api/pod/containers.ts';
import type { ConfigMap, Container, EnvVar, Pod, Secret } from '#api/types.generated.ts';
import { checkExecLength, expand, lookupIn } from './expansion.ts';
import type { PodFacts } from './field-ref.ts';
import { fieldValue, resourceFieldValue } from './field-ref.ts';

/** Reads of the objects that pods refer to. @throws Error `configmap "x" not found` where they are absent */
export interface ReferencedObjects {
  configMap(namespace: string, name: string): Promise<ConfigMap>;
  secret(namespace: string, name: string): Promise<Secret>;
}

/** A referenced ConfigMap or Secret does not exist. An optional reference is then left out. */
export class ReferenceNotFound extends Error {
  constructor(kind: 'configmap' | 'secret', name: string) {
    super(`${kind} "${name}" not found`);
    this.name = 'ReferenceNotFound';
  }
}

/** The inputs of one container's environment. `serviceVariables`: the variables of Services. */
export interface EnvInputs {
  pod: Pod;
  container: Container;
  objects: ReferencedObjects;
  serviceVariables: ReadonlyMap<string, string>;
  facts: PodFacts;
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/** Variables by name. Their total length is limited to what execve(2) accepts. */
class Environment {
  readonly variables = new Map<string, string>();
  #length = 0;

  /** @throws Error when the environment becomes too long for a program */
  set(name: string, value: string): void {
    const replaced = this.variables.get(name);
    this.#length += value.length + (replaced === undefined ? name.length : -replaced.length);
    checkExecLength(this.#length);
    this.variables.set(name, value);
  }
}

/** The environment by name. @throws Error with upstream's message, for CreateContainerConfigError */
export async function resolveEnv(inputs: EnvInputs): Promise<Map<string, string>> {
  const { container, serviceVariables } = inputs;
  const result = await resolveEnvFrom(inputs);
  const own = new Map<string, string>();
  for (const variable of container.env ?? []) {
    const value =
      variable.valueFrom === undefined
        ? expand(variable.value ?? '', lookupIn(own, result.variables, serviceVariables))
        : await referenced(inputs, variable);
    if (value === undefined) continue;
    own.set(variable.name, value);
    result.set(variable.name, value);
  }
  for (const [name, value] of serviceVariables) if (!result.variables.has(name)) result.set(name, value);
  return result.variables;
}

async function optional<T>(isOptional: boolean | undefined, read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isOptional === true && error instanceof ReferenceNotFound) return undefined;
    throw error;
  }
}

async function resolveEnvFrom({ pod, container, objects }: EnvInputs): Promise<Environment> {
  const namespace = pod.metadata.namespace ?? '';
  const result = new Environment();
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef !== undefined) {
      const configMap = await optional(configMapRef.optional, objects.configMap(namespace, configMapRef.name ?? ''));
      for (const [key, value] of Object.entries(configMap?.data ?? {})) result.set(prefix + key, value);
    } else if (secretRef !== undefined) {
      const secret = await optional(secretRef.optional, objects.secret(namespace, secretRef.name ?? ''));
      for (const [key, value] of Object.entries(secret?.data ?? {})) result.set(prefix + key, decode(value));
    }
  }
  return result;
}

/** The value of a `valueFrom`; undefined for an optional one that is absent. */
async function referenced({ pod, container, objects, facts }: EnvInputs, { valueFrom }: EnvVar): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? '';
  if (valueFrom?.fieldRef !== undefined) return fieldValue(pod, valueFrom.fieldRef.fieldPath, facts);
  if (valueFrom?.resourceFieldRef !== undefined) {
    const { containerName } = valueFrom.resourceFieldRef;
    const target = [...allContainers(pod)].find((entry) => entry.container.name === containerName)?.container ?? container;
    return resourceFieldValue(target, valueFrom.resourceFieldRef, facts);
  }
  if (valueFrom?.configMapKeyRef !== undefined) {
    const { name = '', key, optional: isOptional } = valueFrom.configMapKeyRef;
    const value = ownValue((await optional(isOptional, objects.configMap(namespace, name)))?.data, key);
    if (value === undefined && isOptional !== true) throw new Error(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
    return value;
  }
  if (valueFrom?.secretKeyRef !== undefined) {
    const { name = '', key, optional: isOptional } = valueFrom.secretKeyRef;
    const value = ownValue((await optional(isOptional, objects.secret(namespace, name)))?.data, key);
    if (value === undefined && isOptional !== true) throw new Error(`couldn't find key ${key} in Secret ${namespace}/${name}`);
    return value === undefined ? undefined : decode(value);
  }
  return undefined;
}
