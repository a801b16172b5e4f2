/** The audit flags of `tinker server`, with upstream's names. Reads and checks their files. */
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { errorText } from '#api/error-text.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import type { AuditMode } from '#control/apiserver/audit/audit-backend.ts';
import { type AuditPolicy, parseAuditPolicy } from '#control/apiserver/audit/audit-policy.ts';
import type { AuditOptions } from '#control/apiserver/audit/auditor.ts';
import { checkFile } from './checks.ts';
import { count, durationMs, ratio } from './flags.ts';

const modes: readonly AuditMode[] = ['batch', 'blocking', 'blocking-strict'];
const defaults = { maxEventBytes: 100 * 1024, maxBatchBytes: 10 << 20, bufferSize: 10_000 };

/** kube-apiserver's flags of the audit log that `tinker server` takes. */
export interface AuditFlags {
  auditPolicyFile: string | undefined;
  auditLogPath: string | undefined;
  auditLogMaxage: number;
  auditLogMaxbackup: number;
  auditLogMaxsize: number;
  auditLogFormat: 'json' | 'legacy';
  auditLogCompress: boolean;
  auditLogMode: AuditMode;
  auditLogBatchBufferSize: number;
  auditLogTruncateEnabled: boolean;
  auditLogTruncateMaxEventSize: number;
  auditWebhookConfigFile: string | undefined;
  auditWebhookInitialBackoff: number;
  auditWebhookMode: AuditMode;
  auditWebhookBatchBufferSize: number;
  auditWebhookBatchMaxSize: number;
  auditWebhookBatchMaxWait: number;
  auditWebhookBatchThrottleEnable: string;
  auditWebhookBatchThrottleQps: number;
  auditWebhookBatchThrottleBurst: number;
  auditWebhookTruncateEnabled: boolean;
  auditWebhookTruncateMaxEventSize: number;
  auditWebhookTruncateMaxBatchSize: number;
}

const modeFlag = (flag: string, mode: AuditMode): Option =>
  new Option(
    `${flag} <mode>`,
    'batch: events wait for no request; blocking: answers wait until they are written; blocking-strict: what cannot be written is refused',
  )
    .choices(modes)
    .default(mode);

/** Adds the audit flags to a command. */
export function addAuditFlags(command: Command): Command {
  return command
    .option('--audit-policy-file <file>', 'an audit.k8s.io/v1 Policy: what is written about which requests')
    .option('--audit-log-path <file>', 'where audit events are written; "-" is standard output')
    .option('--audit-log-maxage <days>', 'after which rotated audit logs are removed; 0: never', count, 366)
    .option('--audit-log-maxbackup <number>', 'of rotated audit logs that are kept; 0: all', count, 100)
    .option('--audit-log-maxsize <megabytes>', 'after which the audit log is rotated; 0: never', count, 100)
    .addOption(new Option('--audit-log-format <format>', 'of audit events').choices(['json', 'legacy']).default('json'))
    .option('--audit-log-compress', 'compress rotated audit logs with gzip', false)
    .addOption(modeFlag('--audit-log-mode', 'blocking'))
    .option('--audit-log-batch-buffer-size <events>', 'that may wait, in the mode batch', count, defaults.bufferSize)
    .option('--audit-log-truncate-enabled', 'leave objects out of events that are too large', false)
    .option('--audit-log-truncate-max-event-size <bytes>', 'of one event', count, defaults.maxEventBytes)
    .option('--audit-webhook-config-file <file>', 'a kubeconfig: who is sent audit events')
    .option('--audit-webhook-initial-backoff <duration>', 'before the second try', durationMs, 10_000)
    .addOption(modeFlag('--audit-webhook-mode', 'batch'))
    .option('--audit-webhook-batch-buffer-size <events>', 'that may wait or be on their way', count, defaults.bufferSize)
    .option('--audit-webhook-batch-max-size <events>', 'of one batch', count, 400)
    .option('--audit-webhook-batch-max-wait <duration>', 'before a batch that is not full is sent', durationMs, 30_000)
    .option('--audit-webhook-batch-throttle-enable <true|false>', 'whether batches are throttled', 'true')
    .option('--audit-webhook-batch-throttle-qps <rate>', 'of batches, on average', ratio, 10)
    .option('--audit-webhook-batch-throttle-burst <batches>', 'at a time', count, 15)
    .option('--audit-webhook-truncate-enabled', 'leave objects out of events that are too large', false)
    .option('--audit-webhook-truncate-max-event-size <bytes>', 'of one event', count, defaults.maxEventBytes)
    .option('--audit-webhook-truncate-max-batch-size <bytes>', 'of one batch', count, defaults.maxBatchBytes);
}

/**
 * The options that the flags define; undefined when auditing is off. @throws Error that names the flag and what is wrong with it, or with
 * its file
 */
export function auditOptions(flags: AuditFlags): AuditOptions | undefined {
  const policy = flags.auditPolicyFile === undefined ? undefined : policyOf(flags.auditPolicyFile);
  const log = logOf(flags);
  const webhook = webhookOf(flags);
  if (policy === undefined || (log === undefined && webhook === undefined)) return undefined;
  return { policy, log, webhook };
}

function policyOf(path: string): AuditPolicy {
  checkFile('--audit-policy-file', path);
  try {
    return parseAuditPolicy(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`--audit-policy-file ${path}: ${errorText(error)}`, { cause: error });
  }
}

function logOf(flags: AuditFlags): AuditOptions['log'] {
  const { auditLogPath: path } = flags;
  if (path === undefined) return undefined;
  if (path !== '-') {
    try {
      mkdirSync(dirname(path), { recursive: true });
      closeSync(openSync(path, 'a', 0o600));
    } catch (error) {
      throw new Error(`--audit-log-path ${path}: ${errorText(error)}`, { cause: error });
    }
  }
  return {
    path,
    format: flags.auditLogFormat,
    mode: flags.auditLogMode,
    maxAgeDays: flags.auditLogMaxage,
    maxBackups: flags.auditLogMaxbackup,
    maxSizeMb: flags.auditLogMaxsize,
    compress: flags.auditLogCompress,
    bufferSize: flags.auditLogBatchBufferSize,
    truncate: flags.auditLogTruncateEnabled ? { maxEventBytes: flags.auditLogTruncateMaxEventSize } : undefined,
  };
}

function webhookOf(flags: AuditFlags): AuditOptions['webhook'] {
  const { auditWebhookConfigFile: path } = flags;
  if (path === undefined) return undefined;
  checkFile('--audit-webhook-config-file', path);
  try {
    return {
      config: loadKubeconfig(path),
      mode: flags.auditWebhookMode,
      initialBackoffMs: flags.auditWebhookInitialBackoff,
      bufferSize: flags.auditWebhookBatchBufferSize,
      maxBatchSize: flags.auditWebhookBatchMaxSize,
      maxBatchWaitMs: flags.auditWebhookBatchMaxWait,
      throttle:
        flags.auditWebhookBatchThrottleEnable === 'false'
          ? undefined
          : { qps: flags.auditWebhookBatchThrottleQps, burst: flags.auditWebhookBatchThrottleBurst },
      truncate: flags.auditWebhookTruncateEnabled
        ? { maxEventBytes: flags.auditWebhookTruncateMaxEventSize, maxBatchBytes: flags.auditWebhookTruncateMaxBatchSize }
        : undefined,
    };
  } catch (error) {
    throw new Error(`--audit-webhook-config-file ${path}: ${errorText(error)}`, { cause: error });
  }
}
