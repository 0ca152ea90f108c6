/** The log of the simulation keeps what every adapter of the port keeps, on time that nobody waits for. */
import { logContract } from '../log/contract.ts'
import { openLoneLife } from './lone-life.ts'

const traits = { durable: false, retains: false }

logContract('simulation', { ...traits, open: () => openLoneLife(false) })
logContract('simulated brokers', { ...traits, open: () => openLoneLife(true) })
