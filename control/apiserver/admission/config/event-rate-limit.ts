/**
 * The configuration of EventRateLimit. Source: upstream `plugin/pkg/admission/eventratelimit/apis/eventratelimit` (v1alpha1, validation).
 */
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import { type FieldError, invalidValue, notSupported } from '#api/field-error.ts';
import { AdmissionConfigurationError } from './problem.ts';

const types = ['Server', 'Namespace', 'User', 'SourceAndObject'] as const;

/** One limit. */
export interface EventLimit {
  /** What the limit is for: the server, each namespace, each user, or each source with its object. */
  type: (typeof types)[number];
  /** Events per second on average. */
  qps: number;
  /** The burst. */
  burst: number;
  /** The number of namespaces, users or sources that are tracked. Default 4096. */
  cacheSize: number;
}

const kind: ConfigFileKind = {
  kind: 'Configuration',
  apiVersions: ['eventratelimit.admission.k8s.io/v1alpha1'],
  shape: {
    fields: {
      apiVersion: 'string',
      kind: 'string',
      limits: { list: { fields: { type: 'string', qps: 'number', burst: 'number', cacheSize: 'number' } } },
    },
  },
  problem: AdmissionConfigurationError,
};

/** @throws AdmissionConfigurationError */
export function readEventLimits(text: string): EventLimit[] {
  const { limits = [] } = readConfigFile(text, kind) as {
    limits?: { type?: string; qps?: number; burst?: number; cacheSize?: number }[];
  };
  const errors: FieldError[] = limits.length === 0 ? [invalidValue('limits', null, 'must not be empty')] : [];
  const read = limits.map(({ type = '', qps = 0, burst = 0, cacheSize = 0 }, index): EventLimit => {
    const at = `limits[${index}]`;
    const known = types.find((one) => one === type);
    if (known === undefined) errors.push(notSupported(`${at}.type`, type, [...types]));
    if (burst <= 0) errors.push(invalidValue(`${at}.burst`, burst, 'must be positive'));
    if (qps <= 0) errors.push(invalidValue(`${at}.qps`, qps, 'must be positive'));
    if (type !== 'Server' && cacheSize < 0) errors.push(invalidValue(`${at}.cacheSize`, cacheSize, 'must not be negative'));
    return { type: known ?? 'Server', qps, burst, cacheSize: cacheSize || 4096 };
  });
  if (errors.length > 0) throw new AdmissionConfigurationError(aggregate(errors));
  return read;
}
