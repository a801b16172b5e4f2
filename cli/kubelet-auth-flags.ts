/**
 * The flags of `tinker agent` for authentication and authorization of the kubelet's API, with the names of upstream's flags and the
 * defaults of its KubeletConfiguration.
 */
import { type Command, Option } from 'commander';
import type { AgentOptions } from '#agent/agent.ts';
import { boolean, durationMs } from './flags.ts';

/** The kubelet's flags of authentication and authorization that `tinker agent` takes. */
export interface KubeletAuthFlags {
  anonymousAuth: boolean;
  authenticationTokenWebhook: boolean;
  authenticationTokenWebhookCacheTtl: number;
  authorizationMode: 'AlwaysAllow' | 'Webhook';
  authorizationWebhookCacheAuthorizedTtl: number;
  authorizationWebhookCacheUnauthorizedTtl: number;
}

/** Adds these flags to a command. */
export function addKubeletAuthFlags(command: Command): Command {
  return command
    .option('--anonymous-auth [bool]', "let requests to the kubelet's API in that do not say who they are", boolean, false)
    .option('--authentication-token-webhook [bool]', 'ask the API server whose bearer tokens are', boolean, true)
    .option('--authentication-token-webhook-cache-ttl <duration>', 'how long its answer is remembered', durationMs, 120_000)
    .addOption(
      new Option('--authorization-mode <mode>', "who decides what clients of the kubelet's API may do; Webhook: the API server")
        .choices(['AlwaysAllow', 'Webhook'])
        .default('Webhook'),
    )
    .option('--authorization-webhook-cache-authorized-ttl <duration>', 'how long its yes is remembered', durationMs, 300_000)
    .option('--authorization-webhook-cache-unauthorized-ttl <duration>', 'how long its no is remembered', durationMs, 30_000);
}

/** The options that the flags define. */
export const kubeletAuth = (flags: KubeletAuthFlags): AgentOptions['kubeletAuth'] => ({
  anonymous: flags.anonymousAuth,
  tokenWebhook: flags.authenticationTokenWebhook,
  tokenCacheMs: flags.authenticationTokenWebhookCacheTtl,
  mode: flags.authorizationMode,
  authorizedCacheMs: flags.authorizationWebhookCacheAuthorizedTtl,
  unauthorizedCacheMs: flags.authorizationWebhookCacheUnauthorizedTtl,
});
