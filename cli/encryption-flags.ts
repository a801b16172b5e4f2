/** The flags of `tinker server` for encryption at rest, with upstream's names. Reads the configuration file. */
import type { Command } from 'commander';
import { errorText } from '#api/error-text.ts';
import { ConfigFile } from '#control/apiserver/serving/config-file.ts';
import type { ServerOptions } from '#control/server-options.ts';
import { parseEncryptionConfiguration } from '#control/store/encryption/encryption-configuration.ts';
import { checkFile } from './checks.ts';

/** The flags of encryption at rest, as commander gives them. */
export interface EncryptionFlags {
  encryptionProviderConfig: string | undefined;
  encryptionProviderConfigAutomaticReload: boolean;
}

/** Adds the flags of encryption to a command. */
export function addEncryptionFlags(command: Command): Command {
  return command
    .option(
      '--encryption-provider-config <file>',
      'an EncryptionConfiguration: which objects are stored encrypted, and with which keys',
    )
    .option('--encryption-provider-config-automatic-reload', 'read that file anew when it changes', false);
}

/** The options that the flags define. @throws Error that names the flag and what is wrong with it, or with its file */
export function encryptionOptions(flags: EncryptionFlags): ServerOptions['encryption'] {
  const { encryptionProviderConfig: path, encryptionProviderConfigAutomaticReload: isFollowed } = flags;
  if (path === undefined) {
    if (isFollowed)
      throw new Error(
        '--encryption-provider-config-automatic-reload must be set with --encryption-provider-config: give the file, or leave it out',
      );
    return undefined;
  }
  checkFile('--encryption-provider-config', path);
  const file = new ConfigFile(path, parseEncryptionConfiguration);
  try {
    return { configuration: file.read(), file: isFollowed ? file : undefined };
  } catch (error) {
    throw new Error(`--encryption-provider-config ${path}: ${errorText(error)}`, { cause: error });
  }
}
