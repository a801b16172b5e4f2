/** Completions of bash: the names of flags and commands. Pure. Source: bash(1), Programmable Completion. */

/** The completion of a component: its flags. */
export const componentCompletion = (name: string, flags: readonly string[]): string =>
  completion(name, `words='${flags.map((flag) => `--${flag}`).join(' ')}'`);

/** The completion of `tinker`: first a command, then its flags. */
export function tinkerCompletion(commands: readonly { name: string; flags: readonly { name: string }[] }[]): string {
  const cases = commands.map(({ name, flags }) => `    ${name}) words='${flags.map((flag) => flag.name).join(' ')}' ;;`);
  const first = `    *) [ "$COMP_CWORD" -gt 1 ] || words='${commands.map(({ name }) => name).join(' ')}' ;;`;
  return completion('tinker', ['case "${COMP_WORDS[1]}" in', ...cases, first, '  esac'].join('\n'));
}

function completion(name: string, words: string): string {
  const called = `_${name.replaceAll('-', '_')}`;
  return `# bash completion for ${name}
${called}() {
  local words=''
  ${words}
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F ${called} ${name}
`;
}
