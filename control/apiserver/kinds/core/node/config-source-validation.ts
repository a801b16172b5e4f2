/**
 * `configSource`: where a kubelet once took its configuration from. Nothing reads it any more, but old Node objects may contain
 * it. Source: upstream `pkg/apis/core/validation/validation.go`, validateNodeConfigSourceSpec and -Status.
 */
import type { FieldError } from '#api/field-error.ts';
import { forbiddenField, invalidValue, required } from '#api/field-error.ts';
import { isConfigMapKey, nameIsDnsLabel, nameIsDnsSubdomain } from '#api/names.ts';
import type { ConfigMapNodeConfigSource, Node, NodeConfigSource } from '#api/types.generated.ts';

/**
 * Problems of `spec.configSource` and `status.config`, which nothing uses any more and upstream still checks. Source: upstream
 * `pkg/apis/core/validation`.
 */
export function validateNodeConfig({ spec, status }: Node): FieldError[] {
  const { assigned, active, lastKnownGood } = status?.config ?? {};
  const reported = Object.entries({ assigned, active, lastKnownGood });
  return [
    ...validateSource(spec?.configSource, 'spec.configSource', notSet),
    ...reported.flatMap(([name, source]) => validateSource(source, `status.config.${name}`, set)),
  ];
}

type Check = (source: ConfigMapNodeConfigSource, path: string) => FieldError[];

function validateSource(source: NodeConfigSource | undefined, path: string, check: Check): FieldError[] {
  if (source === undefined) return [];
  const { configMap } = source;
  if (configMap === undefined) return [invalidValue(path, { ConfigMap: null }, 'exactly one reference subfield must be non-nil')];
  return [...check(configMap, `${path}.configMap`), ...validateConfigMap(configMap, `${path}.configMap`)];
}

const notSet: Check = ({ uid, resourceVersion }, path) => [
  ...(uid ? [forbiddenField(`${path}.uid`, 'uid must not be set in spec')] : []),
  ...(resourceVersion ? [forbiddenField(`${path}.resourceVersion`, 'resourceVersion must not be set in spec')] : []),
];

const set: Check = ({ uid, resourceVersion }, path) => [
  ...(uid ? [] : [required(`${path}.uid`)]),
  ...(resourceVersion ? [] : [required(`${path}.resourceVersion`)]),
];

function validateConfigMap({ namespace, name, kubeletConfigKey }: ConfigMapNodeConfigSource, path: string): FieldError[] {
  const named = (field: string, value: string | undefined, check: (text: string) => string[]): FieldError[] =>
    value ? check(value).map((text) => invalidValue(`${path}.${field}`, value, text)) : [required(`${path}.${field}`)];
  return [
    ...named('namespace', namespace, (text) => nameIsDnsLabel(text, false)),
    ...named('name', name, (text) => nameIsDnsSubdomain(text, false)),
    ...named('kubeletConfigKey', kubeletConfigKey, isConfigMapKey),
  ];
}
