/**
 * The configuration of ResourceQuota: resources that may only be used with a quota. Source: apiserver
 * `pkg/admission/plugin/resourcequota/apis/resourcequota` (v1, validation).
 */
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import type { Shape } from '#api/config-shape.ts';
import { type FieldError, required } from '#api/field-error.ts';
import type { LimitedResource } from '../plugins/resource-quotas/limited.ts';
import { AdmissionConfigurationError } from './problem.ts';

const shape: Shape = {
  fields: {
    apiVersion: 'string',
    kind: 'string',
    limitedResources: {
      list: {
        fields: {
          apiGroup: 'string',
          resource: 'string',
          matchContains: { list: 'string' },
          matchScopes: { list: { fields: { scopeName: 'string', operator: 'string', values: { list: 'string' } } } },
        },
      },
    },
  },
};
const named = (kind: string, ...apiVersions: string[]): ConfigFileKind => ({
  kind,
  apiVersions,
  shape,
  problem: AdmissionConfigurationError,
});
const current = named('ResourceQuotaConfiguration', 'apiserver.config.k8s.io/v1');
/** Its earlier names. */
const earlier = named('Configuration', ...['v1', 'v1beta1', 'v1alpha1'].map((one) => `resourcequota.admission.k8s.io/${one}`));

/** @throws AdmissionConfigurationError */
export function readLimitedResources(text: string): LimitedResource[] {
  const kind = /["']?kind["']?:\s*["']?Configuration\b/.test(text) ? earlier : current;
  const { limitedResources = [] } = readConfigFile(text, kind) as {
    limitedResources?: {
      apiGroup?: string;
      resource?: string;
      matchContains?: string[];
      matchScopes?: LimitedResource['matchScopes'];
    }[];
  };
  const errors = limitedResources.flatMap(({ resource = '' }, index): FieldError[] =>
    resource === '' ? [required(`limitedResources[${index}].resource`)] : [],
  );
  if (errors.length > 0) throw new AdmissionConfigurationError(aggregate(errors));
  return limitedResources.map(({ apiGroup = '', resource = '', matchContains = [], matchScopes = [] }) => ({
    group: apiGroup,
    resource,
    matchContains,
    matchScopes,
  }));
}
