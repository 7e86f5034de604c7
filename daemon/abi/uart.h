/* uart.h - registers of a 16550A serial port (National Semiconductor PC16550D data sheet, section 8) and of a PC's four */
#pragma once

#define UART_REGISTERS 8
#define UART_FIFO_SIZE 16
#define UART_CLOCK     115200u /* divided by the divisor latch: bits a second */

/* Offsets; the first two are the divisor latch while LCR_DLAB is set */
#define UART_DATA 0 /* RBR when read, THR when written */
#define UART_IER  1
#define UART_IIR  2 /* read */
#define UART_FCR  2 /* written */
#define UART_LCR  3
#define UART_MCR  4
#define UART_LSR  5
#define UART_MSR  6
#define UART_SCR  7

#define UART_IER_RDA  0x01u /* received data available */
#define UART_IER_THRE 0x02u /* transmitter holding register empty */
#define UART_IER_RLS  0x04u /* receiver line status */
#define UART_IER_MS   0x08u /* modem status */
#define UART_IER_ALL  0x0Fu

#define UART_IIR_MS    0x00u /* in the order of their priority, the highest last but for the FIFO's timeout */
#define UART_IIR_NONE  0x01u
#define UART_IIR_THRE  0x02u
#define UART_IIR_RDA   0x04u
#define UART_IIR_RLS   0x06u
#define UART_IIR_CTI   0x0Cu /* bytes wait below the trigger level */
#define UART_IIR_FIFOS 0xC0u /* the FIFOs are on */

#define UART_FCR_ENABLE   0x01u
#define UART_FCR_CLEAR_RX 0x02u
#define UART_FCR_CLEAR_TX 0x04u

#define UART_LCR_DLAB 0x80u

#define UART_MCR_DTR  0x01u
#define UART_MCR_RTS  0x02u
#define UART_MCR_OUT1 0x04u
#define UART_MCR_OUT2 0x08u /* on a PC: lets the interrupt out */
#define UART_MCR_LOOP 0x10u
#define UART_MCR_ALL  0x1Fu

#define UART_LSR_DR   0x01u /* data ready */
#define UART_LSR_OE   0x02u /* overrun */
#define UART_LSR_THRE 0x20u
#define UART_LSR_TEMT 0x40u /* transmitter empty */

#define UART_MSR_DELTAS 0x0Fu /* what has changed of the upper four since the last read */
#define UART_MSR_TERI   0x04u /* of RI only its end counts */
#define UART_MSR_CTS    0x10u
#define UART_MSR_DSR    0x20u
#define UART_MSR_RI     0x40u
#define UART_MSR_DCD    0x80u

/* COM1 to COM4 of a PC */
#define COM_PORTS 4
#define COM_BASES {0x3F8, 0x2F8, 0x3E8, 0x2E8}
#define COM_IRQS  {4, 3, 4, 3}
