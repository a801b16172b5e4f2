/**
 * The configurations of PodNodeSelector and PodTolerationRestriction. Source: upstream
 * `plugin/pkg/admission/{podnodeselector,podtolerationrestriction}`.
 */
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import type { Shape } from '#api/config-shape.ts';
import { isJsonObject } from '#api/json.ts';
import type { Toleration } from '#api/types.generated.ts';
import { validateTolerations } from '../../validation/pod-spec/scheduling.ts';
import { AdmissionConfigurationError } from './problem.ts';
import { readYamlObject } from './yaml-object.ts';

/** By namespace; `clusterDefaultNodeSelector` is for namespaces without the annotation. @throws AdmissionConfigurationError */
export function readPodNodeSelectors(text: string): Record<string, string> {
  const written = readYamlObject(text)['podNodeSelectorPluginConfig'];
  if (written === undefined || written === null) return {};
  if (!isJsonObject(written)) throw new AdmissionConfigurationError('podNodeSelectorPluginConfig is no object');
  return Object.fromEntries(
    Object.entries(written).map(([name, selector]) => {
      if (selector !== null && typeof selector !== 'string')
        throw new AdmissionConfigurationError(`podNodeSelectorPluginConfig.${name} is no string`);
      return [name, selector ?? ''];
    }),
  );
}

/** For namespaces without annotations of their own. */
export interface TolerationRestriction {
  /** Pods get these. */
  defaults: readonly Toleration[];
  /** The only tolerations that pods may have; empty: any. */
  whitelist: readonly Toleration[];
}

const tolerations: Shape = {
  list: { fields: { key: 'string', operator: 'string', value: 'string', effect: 'string', tolerationSeconds: 'number' } },
};
const kind: ConfigFileKind = {
  kind: 'Configuration',
  apiVersions: ['podtolerationrestriction.admission.k8s.io/v1alpha1'],
  shape: { fields: { apiVersion: 'string', kind: 'string', default: tolerations, whitelist: tolerations } },
  problem: AdmissionConfigurationError,
};

/** @throws AdmissionConfigurationError */
export function readTolerationRestriction(text: string): TolerationRestriction {
  const { default: defaults = [], whitelist = [] } = readConfigFile(text, kind) as {
    default?: Toleration[];
    whitelist?: Toleration[];
  };
  const errors = [
    ...validateTolerations(defaults, 'podtolerationrestriction.default'),
    ...validateTolerations(whitelist, 'podtolerationrestriction.whitelist'),
  ];
  if (errors.length > 0) throw new AdmissionConfigurationError(`invalid config: ${aggregate(errors)}`);
  return { defaults, whitelist };
}
