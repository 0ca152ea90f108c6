/** The executable: one command per service, and up, pipe, import, rules, endpoints, user, log. */
const args = process.argv.slice(2)

// The filter starts in milliseconds: it loads nothing of the rest.
if (args[0] === 'pipe') {
  const { runPipeCommand } = await import('./processor/pipe/command.ts')
  process.exitCode = await runPipeCommand(args.slice(1))
} else {
  const { runCommand } = await import('./command.ts')
  await runCommand(args)
}
