/** The configuration of ImagePolicyWebhook. Source: upstream `plugin/pkg/admission/imagepolicy/config.go`. */
import { errorText } from '#api/error-text.ts';
import { isJsonObject } from '#api/json.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import type { Review } from '#client/review-webhook.ts';
import { AdmissionConfigurationError } from './problem.ts';
import { readYamlObject } from './yaml-object.ts';

/** The configuration of the plugin ImagePolicyWebhook. Times are in milliseconds; 0: answers are not cached, or there is no retry. */
export interface ImagePolicy {
  /** From the kubeconfig file. Reviews are sent to this URL, with its path. */
  config: Review['config'];
  allowMs: number;
  denyMs: number;
  firstRetryMs: number;
  /** Whether pods are admitted if the webhook fails. */
  defaultAllow: boolean;
}

/** A number in the file: its unit, and its range and default in milliseconds. */
const times = {
  retryBackoff: { unitMs: 1, minMs: 1, maxMs: 300_000, defaultMs: 500 },
  allowTTL: { unitMs: 1000, minMs: 1000, maxMs: 1_800_000, defaultMs: 300_000 },
  denyTTL: { unitMs: 1000, minMs: 1000, maxMs: 1_800_000, defaultMs: 30_000 },
} as const;

/** @throws AdmissionConfigurationError */
export function readImagePolicy(text: string): ImagePolicy {
  const written = readYamlObject(text)['imagePolicy'] ?? {};
  if (!isJsonObject(written)) throw new AdmissionConfigurationError('imagePolicy is no object');
  const { kubeConfigFile = '', defaultAllow = false } = written;
  if (typeof kubeConfigFile !== 'string') throw new AdmissionConfigurationError('imagePolicy.kubeConfigFile is no string');
  if (typeof defaultAllow !== 'boolean') throw new AdmissionConfigurationError('imagePolicy.defaultAllow is no boolean');
  return {
    firstRetryMs: timeOf('retryBackoff', written['retryBackoff']),
    allowMs: timeOf('allowTTL', written['allowTTL']),
    denyMs: timeOf('denyTTL', written['denyTTL']),
    config: configOf(kubeConfigFile),
    defaultAllow,
  };
}

/** 0 or absent: the default. -1: none. */
function timeOf(name: keyof typeof times, written: unknown): number {
  const { unitMs, minMs, maxMs, defaultMs } = times[name];
  if (written === undefined || written === null || written === 0) return defaultMs;
  if (written === -1) return 0;
  if (typeof written !== 'number' || !Number.isInteger(written))
    throw new AdmissionConfigurationError(`imagePolicy.${name} is no integer`);
  const ms = written * unitMs;
  if (ms < minMs || ms > maxMs)
    throw new AdmissionConfigurationError(
      `imagePolicy.${name}: valid value is between ${minMs / unitMs} and ${maxMs / unitMs}, got ${written}`,
    );
  return ms;
}

function configOf(path: string): Review['config'] {
  try {
    return loadKubeconfig(path);
  } catch (error) {
    throw new AdmissionConfigurationError(`imagePolicy.kubeConfigFile: ${errorText(error)}`, { cause: error });
  }
}
