/*
 * messages.h - MESSAGE_ID of what hvmd says in the journal
 *
 * units/hvmd.catalog has a paragraph for each: journalctl -x shows it.
 */
#pragma once

#define MESSAGE_VM_RUNNING    "c7ec8bee4476408fa21630167cc7d849"
#define MESSAGE_VM_STOPPED    "14ce6eca03f446aca457582efb43626f"
#define MESSAGE_GUEST_CRASHED "fc0063dcd4184296a8250aac6ab297ba"
#define MESSAGE_VM_FAILED     "339680e12f21402f92c3db0a8fbb1222"
#define MESSAGE_UNRESPONSIVE  "f9bcc7664e2f4b54a13d88c8ee747e3c"
#define MESSAGE_DENIED        "7af735000e2b47ed86320f0bf9663619"
