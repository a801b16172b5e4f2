/**
 * The credentials for calls of webhooks: a kubeconfig whose users have the names of hosts.
 *
 * Source: apiserver `pkg/util/webhook/authentication.go`, `pkg/admission/plugin/webhook/config`.
 */
import { isAbsolute, resolve } from 'node:path';
import { type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import { readKubeconfigUsers, type UserCredentials } from '#client/kubeconfig.ts';
import { AdmissionConfigurationError } from './problem.ts';

/**
 * Undefined: the webhook at this host is called without credentials. @param host `name.namespace.svc`, or a name and a port other than 443
 */
export type WebhookCredentials = (host: string) => UserCredentials | undefined;

const kind = (name: string, ...apiVersions: string[]): ConfigFileKind => ({
  kind: name,
  apiVersions,
  shape: { fields: { apiVersion: 'string', kind: 'string', kubeConfigFile: 'string' } },
  problem: AdmissionConfigurationError,
});
const current = kind('WebhookAdmissionConfiguration', 'apiserver.config.k8s.io/v1');
const earlier = kind('WebhookAdmission', 'apiserver.config.k8s.io/v1alpha1');

/** @param folder of the file that names the kubeconfig @throws AdmissionConfigurationError @throws KubeconfigError */
export function readWebhookCredentials(text: string, folder: string): WebhookCredentials {
  const kindOf = /WebhookAdmission\b/.test(text) ? earlier : current;
  const { kubeConfigFile: file = '' } = readConfigFile(text, kindOf) as { kubeConfigFile?: string };
  if (file === '') return () => undefined;
  if (!isAbsolute(file) && folder === '') throw new AdmissionConfigurationError(`kubeConfigFile ${file}: give an absolute path`);
  return credentialsFor(readKubeconfigUsers(resolve(folder, file)));
}

/** The exact host first, then `*.` with ever shorter suffixes, then `*`. */
export function credentialsFor(users: ReadonlyMap<string, UserCredentials>): WebhookCredentials {
  return (host) => {
    const parts = host.split('.');
    const names = [host, ...parts.slice(1).map((_, index) => `*.${parts.slice(index + 1).join('.')}`), '*'];
    return names.map((name) => users.get(name)).find((found) => found !== undefined);
  };
}
