/**
 * `--admission-control-config-file`: an AdmissionConfiguration (apiserver.config.k8s.io), with the configuration of each plugin inline or
 * in another file. It is read strictly, once at the start.
 *
 * Source: apiserver `pkg/admission/config.go`; kubernetes.io, kube-apiserver Configuration (v1).
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import type { Shape } from '#api/config-shape.ts';
import { errorText } from '#api/error-text.ts';
import type { JsonObject } from '#api/json.ts';
import type { PodSecurityOptions } from '../plugins/pod-security.ts';
import type { LimitedResource } from '../plugins/resource-quotas/limited.ts';
import { type EventLimit, readEventLimits } from './event-rate-limit.ts';
import { type ImagePolicy, readImagePolicy } from './image-policy.ts';
import { readPodNodeSelectors, readTolerationRestriction, type TolerationRestriction } from './placement.ts';
import { readPodSecurity } from './pod-security.ts';
import { AdmissionConfigurationError } from './problem.ts';
import { readLimitedResources } from './resource-quota.ts';
import { readWebhookCredentials, type WebhookCredentials } from './webhook-credentials.ts';

/** The configuration of each plugin, if there is one. */
export interface AdmissionSettings {
  podSecurity?: PodSecurityOptions;
  limitedResources?: readonly LimitedResource[];
  podNodeSelectors?: Readonly<Record<string, string>>;
  tolerationRestriction?: TolerationRestriction;
  eventLimits?: readonly EventLimit[];
  imagePolicy?: ImagePolicy;
  mutatingWebhookCredentials?: WebhookCredentials;
  validatingWebhookCredentials?: WebhookCredentials;
}

const versions = ['v1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);
const shape: Shape = {
  fields: {
    apiVersion: 'string',
    kind: 'string',
    plugins: { list: { fields: { name: 'string', path: 'string', configuration: 'any' } } },
  },
};
const kind: ConfigFileKind = {
  kind: 'AdmissionConfiguration',
  apiVersions: versions,
  shape,
  problem: AdmissionConfigurationError,
};

/** The parsers of the plugins' configurations. As upstream, configurations of other plugins are ignored. */
const readers: Readonly<Record<string, (text: string, folder: string) => AdmissionSettings>> = {
  PodSecurity: (text) => ({ podSecurity: readPodSecurity(text) }),
  ResourceQuota: (text) => ({ limitedResources: readLimitedResources(text) }),
  PodNodeSelector: (text) => ({ podNodeSelectors: readPodNodeSelectors(text) }),
  PodTolerationRestriction: (text) => ({ tolerationRestriction: readTolerationRestriction(text) }),
  ImagePolicyWebhook: (text) => ({ imagePolicy: readImagePolicy(text) }),
  EventRateLimit: (text) => ({ eventLimits: readEventLimits(text) }),
  MutatingAdmissionWebhook: (text, folder) => ({ mutatingWebhookCredentials: readWebhookCredentials(text, folder) }),
  ValidatingAdmissionWebhook: (text, folder) => ({ validatingWebhookCredentials: readWebhookCredentials(text, folder) }),
};

/** @throws Error that names the file, the plugin and what is wrong */
export function readAdmissionConfiguration(path: string): AdmissionSettings {
  let plugins: { name?: string; path?: string; configuration?: JsonObject | null }[];
  try {
    const written = readConfigFile(readFileSync(path, 'utf8'), kind) as { plugins?: typeof plugins };
    plugins = written.plugins ?? [];
  } catch (error) {
    throw new Error(`unable to read admission control configuration from ${JSON.stringify(path)} [${errorText(error)}]`, {
      cause: error,
    });
  }
  const folder = dirname(resolve(path));
  let settings: AdmissionSettings = {};
  for (const { name = '', path: own = '', configuration } of plugins) {
    const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
    if (read === undefined) continue;
    try {
      const file = resolve(folder, own);
      if (configuration !== undefined && configuration !== null)
        settings = { ...read(JSON.stringify(configuration), folder), ...settings };
      else if (own !== '') settings = { ...read(readFileSync(file, 'utf8'), dirname(file)), ...settings };
    } catch (error) {
      throw new Error(`couldn't init admission plugin ${JSON.stringify(name)}: ${errorText(error)}`, { cause: error });
    }
  }
  return settings;
}
