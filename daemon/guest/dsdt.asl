/*
 * dsdt.asl - what a ROS cannot find out by itself
 *
 * Devices that answer at fixed ports (daemon/device/), the PCI bus with its
 * bridge, and how to turn the machine off. Numbers are those of daemon/abi/.
 */
DefinitionBlock ("", "DSDT", 2, "HVMD", "HVMDROS", 1)
{
    Name (\_S5, Package () { 0, 0, 0, 0 }) // ACPI_S5_TYPE

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, Zero)
            Name (_BBN, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                IO (Decode16, 0xCF8, 0xCF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x0000, 0x0CF7, 0, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x0D00, 0xFFFF, 0, 0xF300)
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate () { IO (Decode16, 0x70, 0x70, 1, 2) })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate () { IO (Decode16, 0x3F8, 0x3F8, 1, 8) IRQ (Edge, ActiveHigh, Shared) { 4 } })
        }

        Device (COM2)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 2)
            Name (_CRS, ResourceTemplate () { IO (Decode16, 0x2F8, 0x2F8, 1, 8) IRQ (Edge, ActiveHigh, Shared) { 3 } })
        }

        Device (COM3)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 3)
            Name (_CRS, ResourceTemplate () { IO (Decode16, 0x3E8, 0x3E8, 1, 8) IRQ (Edge, ActiveHigh, Shared) { 4 } })
        }

        Device (COM4)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 4)
            Name (_CRS, ResourceTemplate () { IO (Decode16, 0x2E8, 0x2E8, 1, 8) IRQ (Edge, ActiveHigh, Shared) { 3 } })
        }
    }
}
