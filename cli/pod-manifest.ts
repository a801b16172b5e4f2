/**
 * Reads the manifests of static pods by the API server's defaults and rules: no API server sees a static pod before its kubelet runs it.
 *
 * Source: upstream `pkg/kubelet/config/common.go` (tryDecodeSinglePod).
 */
import type { PodManifests } from '#agent/kubelet/static/pod-manifests.ts';
import { DecodeError, readTypeMeta } from '#api/codec/json.ts';
import { decodeYaml, yamlToJson } from '#api/codec/yaml.ts';
import { collectFieldErrors, type FieldError, LongValidation } from '#api/field-error.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { validateObjectMeta } from '#api/object-meta.ts';
import { typeForKind } from '#api/schema/facts.ts';
import { atOnce } from '#api/steps.ts';
import type { Pod } from '#api/types.generated.ts';
import { usedApiObjects } from '#control/apiserver/admission/plugins/node-restriction-mirror-pods.ts';
import { setPodDefaults } from '#control/apiserver/kinds/core/pod/defaults.ts';
import { podChecks } from '#control/apiserver/kinds/core/pod/validation.ts';

/** Reads manifests for a kubelet. */
export const podManifests: PodManifests = {
  read(manifest, where, identify) {
    const [pod] = decode(manifest, where, ['core/v1.Pod']);
    return checked(pod, identify);
  },
  readAll: (manifest, where, identify) =>
    decode(manifest, where, ['core/v1.Pod', 'core/v1.PodList']).map((pod) => checked(pod, identify)),
};

function checked(decoded: Pod | undefined, identify: (pod: Pod) => Pod): Pod {
  if (!decoded?.metadata.name) throw new Error('invalid pod: name is needed for the pod');
  const pod = identify(decoded);
  const errors = problems(pod);
  if (errors.length > 0)
    throw new Error(`invalid pod: [${errors.map(({ field, message }) => `${field}: ${message}`).join(' ')}]`);
  const used = usedApiObjects(pod);
  if (used !== undefined) throw new Error('problem' in used ? used.problem : `static pods may not reference ${used.resource}`);
  return pod;
}

/** @param types the types that are taken, a list among them or not */
function decode(manifest: Uint8Array, where: string, types: readonly string[]): Pod[] {
  try {
    const yaml = yamlToJson(manifest);
    const { apiVersion, kind } = readTypeMeta(yaml.json);
    for (const [name, value] of Object.entries({ Kind: kind, apiVersion }))
      if (value === '') throw new DecodeError(`Object '${name}' is missing in '${yaml.json}'`);
    const type = typeForKind(apiVersion, kind);
    if (type === undefined)
      throw new DecodeError(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
    if (!types.includes(type)) throw new DecodeError(`invalid pod: it is a ${kind} of ${apiVersion}`);
    const { object } = decodeYaml(yaml, type, 'Ignore');
    const pods = (type === 'core/v1.Pod' ? [object] : ((object['items'] ?? []) as object[])) as unknown as Pod[];
    return pods.map((pod) => {
      pod.apiVersion = 'v1';
      pod.kind = 'Pod';
      pod.metadata ??= {} as Pod['metadata'];
      setPodDefaults(pod);
      return pod;
    });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new Error(`${where}: couldn't parse as pod(${error.message}), please check config file`, { cause: error });
  }
}

function problems(pod: Pod): FieldError[] {
  const rules = { namespaced: true, name: nameIsDnsSubdomain };
  return [() => validateObjectMeta(pod.metadata, rules), ...podChecks(pod)].flatMap((check) => {
    try {
      return collectFieldErrors(check);
    } catch (error) {
      // A huge manifest: nobody else waits for this thread as long as a request would.
      if (error instanceof LongValidation) return atOnce(error.steps);
      throw error;
    }
  });
}
