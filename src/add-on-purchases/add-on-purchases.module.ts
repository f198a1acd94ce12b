import { Module } from '@nestjs/common';
import { AccessControlModule } from '../access-control/access-control.module.js';
import { LicensesModule } from '../licenses/licenses.module.js';
import { AddOnPurchaseRepository } from './add-on-purchase.repository.js';
import { AddOnPurchasesController } from './add-on-purchases.controller.js';
import { AddOnPurchasesService } from './add-on-purchases.service.js';
import { CarriedSeatRepository } from './carried-seat.repository.js';
import { CarriedSeats } from './carried-seats.js';
import { NamespaceRepository } from './namespace.repository.js';
import { NamespacesController } from './namespaces.controller.js';
import { NamespacesService } from './namespaces.service.js';
import { ReadAddOnPurchases } from './read-add-on-purchases.js';
import { ReleaseAbandonedSeats } from './release-abandoned-seats.js';
import { SeatAssignmentRepository } from './seat-assignment.repository.js';
import { SeatAssignmentsController } from './seat-assignments.controller.js';
import { SeatAssignmentsService } from './seat-assignments.service.js';
import { UserSeatRepository } from './user-seat.repository.js';
import { UserSeatsController } from './user-seats.controller.js';
import { UserSeatsService } from './user-seats.service.js';

@Module({
  imports: [AccessControlModule, LicensesModule],
  controllers: [
    AddOnPurchasesController,
    NamespacesController,
    SeatAssignmentsController,
    UserSeatsController,
  ],
  providers: [
    AddOnPurchaseRepository,
    AddOnPurchasesService,
    CarriedSeatRepository,
    CarriedSeats,
    NamespaceRepository,
    NamespacesService,
    ReadAddOnPurchases,
    ReleaseAbandonedSeats,
    SeatAssignmentRepository,
    SeatAssignmentsService,
    UserSeatRepository,
    UserSeatsService,
  ],
  exports: [
    AddOnPurchaseRepository,
    AddOnPurchasesService,
    NamespaceRepository,
    ReleaseAbandonedSeats,
  ],
})
export class AddOnPurchasesModule {}
