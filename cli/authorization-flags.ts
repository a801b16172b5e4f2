/** The authorization flags of `tinker server`, with upstream's names. Reads their files. */
import { type Command, Option } from 'commander';
import { errorText } from '#api/error-text.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { parseAuthorizationConfiguration } from '#control/apiserver/authorization/config/authorization-configuration.ts';
import { authorizationModes } from '#control/apiserver/authorization/mode-names.ts';
import type { AuthorizerSpec } from '#control/apiserver/authorization/modes.ts';
import { ConfigFile } from '#control/apiserver/serving/config-file.ts';
import type { ServerOptions } from '#control/server-options.ts';
import { checkFile } from './checks.ts';
import { durationMs, listOf } from './flags.ts';

const flagModes = [...authorizationModes, 'Webhook'] as const;

/** kube-apiserver's flags of authorization that `tinker server` takes. */
export interface AuthorizationFlags {
  /** Default: Node, RBAC. */
  authorizationMode: (typeof flagModes)[number][] | undefined;
  authorizationConfig: string | undefined;
  authorizationWebhookConfigFile: string | undefined;
  authorizationWebhookVersion: 'v1' | 'v1beta1';
  authorizationWebhookCacheAuthorizedTtl: number;
  authorizationWebhookCacheUnauthorizedTtl: number;
}

/** Adds the authorization flags to a command. */
export function addAuthorizationFlags(command: Command): Command {
  return command
    .option(
      '--authorization-mode <modes>',
      'who is asked whether a request may be, in this order: Node, RBAC, Webhook, AlwaysAllow, AlwaysDeny; by default Node,RBAC',
      listOf('authorization-mode', flagModes),
    )
    .option(
      '--authorization-config <file>',
      'an AuthorizationConfiguration: authorizers in their order, webhooks with match conditions; read anew when it changes',
    )
    .option('--authorization-webhook-config-file <file>', 'a kubeconfig: who is asked by the mode Webhook')
    .addOption(
      new Option('--authorization-webhook-version <version>', 'of the SubjectAccessReview')
        .choices(['v1', 'v1beta1'])
        .default('v1beta1'),
    )
    .option('--authorization-webhook-cache-authorized-ttl <duration>', 'how long its yes is remembered', durationMs, 300_000)
    .option('--authorization-webhook-cache-unauthorized-ttl <duration>', 'how long its no is remembered', durationMs, 30_000);
}

/** The options that the flags define. @throws Error that names the flag and what is wrong with it, or with its file */
export function authorizationOptions(flags: AuthorizationFlags): ServerOptions['authorization'] {
  const {
    authorizationConfig: path,
    authorizationMode: modes = ['Node', 'RBAC'],
    authorizationWebhookConfigFile: webhook,
  } = flags;
  if (path !== undefined) {
    if (flags.authorizationMode !== undefined || webhook !== undefined)
      throw new Error(
        '--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined',
      );
    checkFile('--authorization-config', path);
    const file = new ConfigFile(path, parseAuthorizationConfiguration);
    try {
      return { chain: file.read(), file };
    } catch (error) {
      throw new Error(`--authorization-config ${path}: ${errorText(error)}`, { cause: error });
    }
  }
  if (modes.includes('Webhook') !== (webhook !== undefined))
    throw new Error(
      "authorization-mode Webhook's authorization config file not passed: --authorization-webhook-config-file and the mode go together",
    );
  return { chain: modes.map((mode) => (mode === 'Webhook' ? webhookOf(flags, webhook ?? '') : mode)) };
}

const webhookOf = (flags: AuthorizationFlags, path: string): AuthorizerSpec => ({
  name: 'default',
  config: loadKubeconfig(path),
  version: flags.authorizationWebhookVersion,
  authorizedMs: flags.authorizationWebhookCacheAuthorizedTtl,
  unauthorizedMs: flags.authorizationWebhookCacheUnauthorizedTtl,
  timeoutMs: 30_000,
  onFailure: 'NoOpinion',
  matchConditions: [],
});
